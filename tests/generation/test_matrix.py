"""As few projects as cover every pair of answers: their content, and the verdict of their own linters."""

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

from support.nightly import NIGHTLY
from support.report import note
from support.template import MYPY_CACHE, Generate

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
# Jinja of the template, but neither the braces of an f-string nor the expressions of a GitHub workflow.
UNRENDERED = re.compile(r"cookiecutter|(?<!\$)\{\{ |\{%|\{# ")
LICENSES = dict(licenses.LICENSES)  # the texts of https://choosealicense.com
PARSERS: dict[str, Callable[[str], Any]] = {
    ".toml": tomllib.loads,
    ".yml": yaml.safe_load,
    ".yaml": yaml.safe_load,
    ".json": json.loads,
}


@dataclass(frozen=True)
class GeneratedProject:
    """A project, the answers that generated it, and the text of each file by its name."""

    answers: dict[str, Any]
    folder: Path
    texts: dict[str, str]

    @property
    def name(self) -> str:
        return str(self.answers["project_name"])


@pytest.fixture(name="generated", scope="module", params=ROWS if NIGHTLY else ROWS[::4])
def _generated(request: pytest.FixtureRequest, generate: Generate) -> GeneratedProject:
    answers: dict[str, Any] = request.param
    name = answers["project_name"]
    project = generate(project_slug="my-service", project_description=name, author_name=name, **answers)
    files = sorted(path for path in project.rglob("*") if path.is_file())
    texts = {path.relative_to(project).as_posix(): path.read_bytes().decode() for path in files}
    return GeneratedProject(answers, project, texts)


def test_the_matrix_covers_every_pair_of_answers() -> None:
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


def test_writes_any_text_unchanged(generated: GeneratedProject) -> None:
    assert tomllib.loads(generated.texts["pyproject.toml"])["project"]["description"] == generated.name
    assert generated.texts["README.md"].startswith(f"# {generated.name}\n")


def test_renders_everything(generated: GeneratedProject) -> None:
    """The pages are those of the template, and name cookiecutter."""
    texts = {name: text for name, text in generated.texts.items() if not name.endswith(".jinja")}

    assert not [
        (name, found)
        for name, text in texts.items()
        if not name.startswith("docs/")
        for found in UNRENDERED.findall(text)
    ]


def test_writes_valid_toml_yaml_and_json(generated: GeneratedProject) -> None:
    parsed = [
        PARSERS[Path(name).suffix](text) for name, text in generated.texts.items() if Path(name).suffix in PARSERS
    ]

    assert len(parsed) > 4


def test_writes_the_chosen_license(generated: GeneratedProject) -> None:
    chosen, text = generated.answers["license"], generated.texts["LICENSE"]

    if chosen == "Proprietary":
        assert text.startswith(f"Copyright (c) {generated.name}. All rights reserved.\n\nThis software is proprietary.")
    elif chosen == "Apache-2.0":
        assert text.split() == LICENSES[chosen].replace("[yyyy] [name of copyright owner]", generated.name).split()
    else:
        _, terms = text.split(f"Copyright (c) {generated.name}\n")
        _, expected = LICENSES[chosen].split("[fullname]")
        assert terms.split() == expected.removeprefix("\nAll rights reserved.").split()
    assert f"{chosen}, see [LICENSE](LICENSE)" in generated.texts["README.md"]


def test_deploys_on_the_chosen_python(generated: GeneratedProject) -> None:
    chosen = generated.answers["python_version"]

    workflow = yaml.safe_load(generated.texts[".github/workflows/ci.yml"])
    inputs = [step.get("with", {}) for step in workflow["jobs"]["check"]["steps"]]
    assert [given["python-version"] for given in inputs if "python-version" in given] == [chosen]
    assert f"PYTHON_IMAGE=python:{chosen}-slim\n" in generated.texts["Dockerfile"]


def test_does_not_mention_a_declined_example(generated: GeneratedProject) -> None:
    texts = {name: text for name, text in generated.texts.items() if not name.startswith("docs/")}
    named = [name for name, text in texts.items() if "todo" in (name + text).lower()]

    assert bool(named) is generated.answers["include_todo_example"]


def test_every_path_is_legal_on_every_system(generated: GeneratedProject) -> None:
    """Windows accepts 260 characters by default, of which 100 remain for the user; a hook checks the slug."""
    illegal = re.compile(r'[<>:"|?*\\\x00-\x1f]|[. ]$')

    assert not [name for name in generated.texts if any(map(illegal.search, name.split("/")))]
    assert not [
        name for name in generated.texts if any(PureWindowsPath(part).is_reserved() for part in name.split("/"))
    ]
    assert not [name for name in generated.texts if len(name) > 160]
    assert len({name.lower() for name in generated.texts}) == len(generated.texts)


@pytest.mark.parametrize("command", ["ruff format --check .", "ruff check ."])
def test_passes_its_own_linters(generated: GeneratedProject, command: str, project_environment: Path) -> None:
    run_check(generated.folder, project_environment, command)


def test_passes_its_type_checks_and_layer_contracts(generated: GeneratedProject, project_environment: Path) -> None:
    """Checked once for each different set of Python files and settings."""
    python = {name: text for name, text in generated.texts.items() if name.endswith(".py")}
    tools = tomllib.loads(generated.texts["pyproject.toml"])["tool"]

    digest = hashlib.sha256(json.dumps([python, tools]).encode()).hexdigest()
    if digest not in _checked:
        run_check(generated.folder, project_environment, "lint-imports")
        run_check(generated.folder, project_environment, f"mypy --cache-dir {MYPY_CACHE}")
        _checked.add(digest)
    assert len(_checked) <= 2, "only the answer about the example may change Python files"


_checked: set[str] = set()


def run_check(project: Path, environment: Path, command: str) -> None:
    words = command.split()
    result = subprocess.run(
        [environment / words[0], *words[1:]], cwd=project, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
