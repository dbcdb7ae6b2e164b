"""The layer contracts of a generated project refuse violations that are planted in it."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from support.pages import blocks
from support.report import note
from support.template import ROOT, Generate

REPOSITORY = "from src.infrastructure.repositories.repository import Repository"
VIOLATIONS = [
    ("src/api/controllers/todo.py", REPOSITORY, "src.api.controllers.todo -> src.infrastructure.repositories"),
    ("src/api/controllers/todo.py", "import chassis.persistence.database", "todo -> chassis.persistence.database"),
    ("src/api/controllers/todo.py", "import src.dependency_container", "todo -> src.dependency_container"),
    ("src/services/todo_service.py", "import sqlalchemy", "src.services.todo_service -> sqlalchemy"),
    ("src/services/todo_service.py", "import chassis.http.responses", "todo_service -> chassis.http.responses"),
    (
        "src/services/todo_service.py",
        f"from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    {REPOSITORY}",
        "src.services.todo_service -> src.infrastructure.repositories.repository",
    ),
    ("src/domain/todo.py", "from quart import request", "src.domain.todo -> quart"),
    ("src/domain/todo.py", "import chassis.services.repository_service", "todo -> chassis.services.repository_service"),
    ("src/infrastructure/models/todo.py", "import src.services.todo_service", "todo -> src.services.todo_service"),
    ("src/infrastructure/models/todo.py", "from src.config import Config", "todo -> src.config"),
    ("src/infrastructure/models/todo.py", "import chassis.http.responses", "todo -> chassis.http.responses"),
    ("src/helpers.py", "import json", "src.helpers"),
    ("chassis/http/responses.py", "import src.config", "chassis.http.responses -> src.config"),
    ("chassis/domain/pagination.py", "import pydantic", "chassis.domain.pagination -> pydantic"),
    ("chassis/http/responses.py", "import chassis.maintenance.gate", "responses -> chassis.maintenance.gate"),
    ("chassis/persistence/database.py", "import chassis.config", "chassis.persistence.database -> chassis.config"),
    ("chassis/maintenance/state.py", "import chassis.maintenance.store", "state -> chassis.maintenance.store"),
    ("chassis/persistence/pgbouncer.py", "import chassis.persistence.engine", "Siblings have no cycles BROKEN"),
    ("chassis/helpers.py", "import json", "chassis.helpers"),
    ("chassis/maintenance/helpers.py", "import json", "chassis.maintenance.helpers"),
]


def run(project: Path, *command: str | Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "SQLALCHEMY_DATABASE_URI": "postgresql://nobody@127.0.0.1:9/none"}
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("example", [True, False])
def test_a_generated_project_keeps_its_layers(example: bool, generate: Generate, project_environment: Path) -> None:
    result = run(generate(include_todo_example=example), project_environment / "lint-imports")

    assert result.returncode == 0, result.stdout
    assert "0 broken" in result.stdout


@pytest.mark.parametrize(("module", "line", "culprit"), VIOLATIONS)
def test_refuses_an_import_against_the_layers(
    module: str, line: str, culprit: str, generate: Generate, project_environment: Path
) -> None:
    project = generate()
    path = project / module
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    path.write_text(f"{before}{line}\n", encoding="utf-8")

    result = run(project, project_environment / "lint-imports")

    assert result.returncode == 1
    assert culprit in result.stdout


def test_the_chassis_imports_nothing_of_the_service(project: Path) -> None:
    """The contracts do not see chassis/tests, which is not a package."""
    pattern = re.compile(r"^\s*(?:from|import) src\b", re.MULTILINE)
    modules = {path: path.read_text(encoding="utf-8") for path in (project / "chassis").rglob("*.py")}

    assert any(path.is_relative_to(project / "chassis" / "tests") for path in modules)
    assert [path for path, text in modules.items() if pattern.search(text)] == []


def test_the_service_is_small(project: Path, generate: Generate) -> None:
    """What an owner reads; the machinery is in the chassis."""
    with_example, without = count_lines(project / "src"), count_lines(generate(include_todo_example=False) / "src")

    note(f"lines of src: {with_example} with the example, {without} without")
    assert without < with_example <= 350


def test_an_entity_has_as_many_files_as_the_guide_says(project: Path) -> None:
    shown = [project / block.file for block in blocks(ROOT / "docs" / "adding-an-entity.md") if block.file]
    files = {path.parent for path in (project / "src").rglob("*todo*.py")}

    assert {path.parent for path in shown if path.is_relative_to(project / "src")} - {project / "src"} == files
    assert len(files) + 1 <= 6  # and the container


def count_lines(folder: Path) -> int:
    return sum(len(path.read_text(encoding="utf-8").splitlines()) for path in folder.rglob("*.py"))


@pytest.mark.parametrize("command", [("python", "-c", "import src.app"), ("quart", "routes")])
def test_stops_with_a_sentence_that_names_a_misspelt_provider(
    command: tuple[str, ...], generate: Generate, project_environment: Path
) -> None:
    project = generate()
    controller = project / "src" / "api" / "controllers" / "todo.py"
    source = controller.read_text(encoding="utf-8")
    controller.write_text(source.replace('Provide["todo_service"]', 'Provide["toodo_service"]'), "utf-8")

    result = run(project, project_environment / command[0], *command[1:])

    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 1, result.stderr
    assert "toodo_service" in result.stderr
    assert "src/dependency_container.py" in result.stderr
