"""Every pair of answers, in as few projects as cover them: what each looks like, and what its own linters say."""

import hashlib
import json
import re
import subprocess
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Any

import covertable
import pytest
import yaml
from identify.vendor import licenses

from support.report import note
from support.template import Generate

ANSWERS: dict[str, list[Any]] = {
    "project_name": [
        "My Service",
        "O'Brien's Billing",
        'The "best" service',
        "C:\\new\\service",
        "Zażółć gęślą jaźń 日本語 🎉",
        "''",
        "{} : # & <b> %",
        "x" * 100,
    ],
    "license": ["MIT", "BSD-3-Clause", "Apache-2.0", "Proprietary"],
    "python_version": ["3.11", "3.12", "3.13", "3.14"],
    "service_prefix": ["", "example", "/team/example/"],
    "include_todo_example": [True, False],
}
ROWS: list[dict[str, Any]] = covertable.make(ANSWERS)
# Ours, and neither the braces of an f-string nor the expressions of a workflow.
UNRENDERED = re.compile(r"cookiecutter|(?<!\$)\{\{ |\{%|\{# ")
LICENSES = dict(licenses.LICENSES)  # the texts of https://choosealicense.com
PARSERS: dict[str, Callable[[str], Any]] = {
    ".toml": tomllib.loads,
    ".yml": yaml.safe_load,
    ".yaml": yaml.safe_load,
    ".json": json.loads,
}


@dataclass(frozen=True)
class Bake:
    answers: dict[str, Any]
    project: Path
    texts: dict[str, str]  # by name

    @property
    def name(self) -> str:
        return str(self.answers["project_name"])


@pytest.fixture(name="bake", scope="module", params=ROWS, ids=range(len(ROWS)))
def _bake(request: pytest.FixtureRequest, generate: Generate) -> Bake:
    answers: dict[str, Any] = request.param
    name = answers["project_name"]
    project = generate(project_slug="my-service", project_description=name, author_name=name, **answers)
    files = sorted(path for path in project.rglob("*") if path.is_file())
    texts = {path.relative_to(project).as_posix(): path.read_bytes().decode() for path in files}
    return Bake(answers, project, texts)


@pytest.fixture(name="mypy_cache", scope="module")
def _mypy_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mypy")


def test_the_matrix_has_every_pair_of_answers() -> None:
    pairs = {
        (first, one, second, other)
        for first in ANSWERS
        for second in ANSWERS
        for one in ANSWERS[first]
        for other in ANSWERS[second]
        if first < second
    }

    assert not [pair for pair in pairs if not any(row[pair[0]] == pair[1] and row[pair[2]] == pair[3] for row in ROWS)]
    note(f"matrix: {len(ROWS)} projects for {len(pairs)} pairs of answers")


def test_any_text_arrives_as_it_was_typed(bake: Bake) -> None:
    assert tomllib.loads(bake.texts["pyproject.toml"])["project"]["description"] == bake.name
    assert bake.texts["README.md"].startswith(f"# {bake.name}\n")


def test_nothing_is_unrendered(bake: Bake) -> None:
    assert not [(name, found) for name, text in bake.texts.items() for found in UNRENDERED.findall(text)]


def test_all_that_has_a_grammar_keeps_it(bake: Bake) -> None:
    parsed = [PARSERS[Path(name).suffix](text) for name, text in bake.texts.items() if Path(name).suffix in PARSERS]

    assert len(parsed) > 4


def test_the_license_is_the_one_that_was_chosen(bake: Bake) -> None:
    chosen, text = bake.answers["license"], bake.texts["LICENSE"]

    if chosen == "Proprietary":
        assert text.startswith(f"Copyright (c) {bake.name}. All rights reserved.\n\nThis software is proprietary.")
    elif chosen == "Apache-2.0":
        assert text.split() == LICENSES[chosen].replace("[yyyy] [name of copyright owner]", bake.name).split()
    else:
        _, terms = text.split(f"Copyright (c) {bake.name}\n")
        _, expected = LICENSES[chosen].split("[fullname]")
        assert terms.split() == expected.removeprefix("\nAll rights reserved.").split()
    assert f"{chosen}, see [LICENSE](LICENSE)" in bake.texts["README.md"]


def test_it_is_deployed_on_the_python_that_was_chosen(bake: Bake) -> None:
    chosen = bake.answers["python_version"]

    workflow = yaml.safe_load(bake.texts[".github/workflows/ci.yml"])
    inputs = [step.get("with", {}) for step in workflow["jobs"]["check"]["steps"]]
    assert [given["python-version"] for given in inputs if "python-version" in given] == [chosen]
    assert f"PYTHON_IMAGE=python:{chosen}-slim\n" in bake.texts["Dockerfile"]


def test_nothing_names_the_example_that_was_declined(bake: Bake) -> None:
    named = [name for name, text in bake.texts.items() if "todo" in (name + text).lower()]

    assert bool(named) is bake.answers["include_todo_example"]


def test_every_path_is_legal_everywhere(bake: Bake) -> None:
    """The slug is checked as an answer; 260 characters are what Windows takes by default, 100 are left to the user."""
    illegal = re.compile(r'[<>:"|?*\\\x00-\x1f]|[. ]$')

    assert not [name for name in bake.texts if any(map(illegal.search, name.split("/")))]
    assert not [name for name in bake.texts if any(PureWindowsPath(part).is_reserved() for part in name.split("/"))]
    assert not [name for name in bake.texts if len(name) > 160]
    assert len({name.lower() for name in bake.texts}) == len(bake.texts)


@pytest.mark.parametrize("command", ["ruff format --check .", "ruff check ."])
def test_its_linters_are_content(bake: Bake, command: str, project_environment: Path) -> None:
    passes(bake.project, project_environment, command)


def test_its_types_and_layers_are_right(bake: Bake, project_environment: Path, mypy_cache: Path) -> None:
    """Asked once for each state of what mypy and import-linter read."""
    python = {name: text for name, text in bake.texts.items() if name.endswith(".py")}
    tools = tomllib.loads(bake.texts["pyproject.toml"])["tool"]

    digest = hashlib.sha256(json.dumps([python, tools]).encode()).hexdigest()
    if digest not in _typed:
        passes(bake.project, project_environment, "lint-imports")
        passes(bake.project, project_environment, f"mypy --cache-dir {mypy_cache}")
        _typed.add(digest)
    assert len(_typed) <= 2, "the answers change Python in another way than by the example"


_typed: set[str] = set()


def passes(project: Path, environment: Path, command: str) -> None:
    words = command.split()
    result = subprocess.run(
        [environment / words[0], *words[1:]], cwd=project, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
