"""Takes the todo example out where it is not wanted, writes `.env`, and says what to type next.

Runs in the folder of the new project. Standard library only, Python 3.8 or later: it runs in
cookiecutter's interpreter.
"""

import json
import os
import shlex
import shutil
from pathlib import Path

# No quotation mark in an answer can end this string: the filter writes ' as \u0027.
ANSWERS = r'''{{ cookiecutter | tojson }}'''  # fmt: skip

CODE = ("migrations", "src", "tests")
NAMES_THE_EXAMPLE = Path("src", "dependency_container.py")


def remove_example(project: Path) -> None:
    """All about todos is in files that are called so, but for the lines that build it."""
    for folder in CODE:
        for path in sorted((project / folder).rglob("*todo*")):
            path.unlink()
    container = project / NAMES_THE_EXAMPLE
    lines = container.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if "todo" not in line.lower()]
    write(container, "\n".join(kept).rstrip() + "\n")


def remove_caches(project: Path) -> None:
    """The template's code is linted and tested where it lies; what that leaves is copied along."""
    for pattern in (".*_cache", "**/__pycache__"):
        for path in list(project.glob(pattern)):
            shutil.rmtree(str(path))


def write_settings(project: Path) -> None:
    """Settings of this machine, ignored by git; one that is there already is the user's own."""
    settings = project / ".env"
    if not settings.exists():
        shutil.copy(str(project / ".env.development"), str(settings))


def write(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(text)


def next_commands(project: Path, prefix: str = "") -> str:
    start = Path(os.environ.get("PWD", str(project.parent)))
    folder = str(project.relative_to(start) if start in project.parents else project)
    path = "".join(f"/{segment}" for segment in prefix.split("/") if segment)
    return f"""
Your service is in {folder}. Next:

    cd {shlex.quote(folder)}
    make run     # on http://127.0.0.1:7000{path}, with a PostgreSQL of its own
    make test
"""


if __name__ == "__main__":
    given = json.loads(ANSWERS)
    here = Path.cwd()
    remove_caches(here)
    if not given["include_todo_example"]:
        remove_example(here)
    write_settings(here)
    print(next_commands(here, given["service_prefix"]))
