"""Refuses answers that would make a broken project, with a sentence for each that says what to type.

Runs twice: from `local_extensions.py` before anything is written, and as a hook, for answers that
are replayed. Standard library only, Python 3.8 or later: it runs in cookiecutter's interpreter.
"""

import json
import keyword
import re
import sys
import unicodedata
from typing import Any, Iterator, List, Mapping

# No quotation mark in an answer can end this string, because the filter writes ' as \u0027.
ANSWERS = r'''{{ cookiecutter | tojson }}'''  # fmt: skip

SLUG = re.compile(r"[a-z][a-z0-9]*([-_]+[a-z0-9]+)*")
SLUG_LENGTH = 50
PREFIX_SEGMENT = re.compile(r"[A-Za-z0-9_~-][A-Za-z0-9_.~-]*")
TEXT_LENGTHS = {"project_name": 100, "project_description": 300, "author_name": 120}
CONTROL = {"Cc", "Cs", "Zl", "Zp"}  # the Unicode categories of characters that do not belong in a line of text

FOLDERS = {"build", "chassis", "deploy", "migrations", "scripts", "src", "test", "tests"}
WINDOWS = {
    "aux",
    "con",
    "nul",
    "prn",
    *(f"{port}{n}" for port in ("com", "lpt") for n in range(10)),
}
MODULES = getattr(sys, "stdlib_module_names", sys.builtin_module_names)
# Words that YAML does not read as text: https://yaml.org/type/bool.html
YAML = {"n", "no", "null", "off", "on", "true", "false", "y", "yes"}
RESERVED = {*keyword.kwlist, *MODULES} | FOLDERS | WINDOWS | YAML


def problems(answers: Mapping[str, Any]) -> List[str]:
    """Return one sentence for each bad answer."""
    return [
        *(problem for name in TEXT_LENGTHS for problem in problems_of_text(name, answers[name])),
        *problems_of_slug(answers["project_slug"]),
        *problems_of_prefix(answers["service_prefix"]),
    ]


def problems_of_text(name: str, value: str) -> Iterator[str]:
    if name != "project_description" and not value.strip():
        yield f"{name} is empty: type some words, for instance My Service."
    if len(value) > TEXT_LENGTHS[name]:
        yield f"{name} has {len(value)} characters: type at most {TEXT_LENGTHS[name]}."
    if any(unicodedata.category(character) in CONTROL for character in value):
        yield f"{name} contains a line break or a control character: type one line of plain text."
    if "'''" in value:
        yield f"{name} contains ''', which ends a string in pyproject.toml: type \" instead."


def problems_of_slug(slug: str) -> Iterator[str]:
    if len(slug) > SLUG_LENGTH or not SLUG.fullmatch(slug):
        yield (
            f"project_slug is {slug!a}: type lower-case letters, digits, - and _, "
            "beginning with a letter and ending with a letter or a digit, "
            f"at most {SLUG_LENGTH}, for instance {suggested(slug)}."
        )
    elif slug in RESERVED:
        yield f"project_slug is {slug!a}, which means something else already: type {slug}-service."


def suggested(slug: str) -> str:
    words = re.sub(r"[^a-z0-9]+", "-", slug.lower()).lstrip("-0123456789")[:SLUG_LENGTH].rstrip("-")
    return f"{words}-service" if words in RESERVED else words or "my-service"


def problems_of_prefix(prefix: str) -> Iterator[str]:
    segments = [segment for segment in prefix.split("/") if segment]
    if not all(PREFIX_SEGMENT.fullmatch(segment) for segment in segments):
        yield (
            f"service_prefix is {prefix!a}: type a plain path of letters, digits, - and _, "
            "for instance example or team/example, or leave it empty."
        )


if __name__ == "__main__":
    sys.exit("\n".join(problems(json.loads(ANSWERS))) or None)
