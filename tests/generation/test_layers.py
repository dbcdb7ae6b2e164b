"""The layer contracts of a generated project refuse violations that are planted in it."""

import os
import subprocess
from pathlib import Path

import pytest

from support.template import Generate

IMPORTS_REPOSITORY = "from src.infrastructure.repositories.repository import Repository"
VIOLATIONS = [
    (
        "src/api/controllers/health.py",
        IMPORTS_REPOSITORY,
        "src.api.controllers.health -> src.infrastructure.repositories.repository",
    ),
    ("src/services/repository_service.py", "import sqlalchemy", "repository_service -> sqlalchemy"),
    ("src/domain/pagination.py", "from quart import request", "src.domain.pagination -> quart"),
    ("src/helpers.py", "import json", "src.helpers"),
    (
        "src/services/repository_service.py",
        f"from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    {IMPORTS_REPOSITORY}",
        "src.services.repository_service -> src.infrastructure.repositories.repository",
    ),
    (
        "src/api/responses.py",
        "from src.dependency_container import DependencyContainer",
        "src.api.responses -> src.dependency_container",
    ),
    (
        "src/infrastructure/databases/database.py",
        "from src.config import Config",
        "src.infrastructure.databases.database -> src.config",
    ),
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


@pytest.mark.parametrize("command", [("python", "-c", "import src.app"), ("quart", "routes")])
def test_stops_with_a_sentence_that_names_a_misspelt_provider(
    command: tuple[str, ...], generate: Generate, project_environment: Path
) -> None:
    project = generate()
    controller = project / "src" / "api" / "controllers" / "health.py"
    source = controller.read_text(encoding="utf-8")
    controller.write_text(source.replace('Provide["readiness"]', 'Provide["redyness"]'), "utf-8")

    result = run(project, project_environment / command[0], *command[1:])

    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 1, result.stderr
    assert "redyness" in result.stderr
    assert "src/dependency_container.py" in result.stderr
