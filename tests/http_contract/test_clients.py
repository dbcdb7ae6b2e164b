"""Linters accept the OpenAPI document, and clients that are generated from it are typed and work."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.client_tools import CLIENTS, ClientTools
from support.postgres import Postgres
from support.service import Commands, Service

TOKEN = "a-token-of-this-test"  # noqa: S105 - and of nothing else


@pytest.fixture(name="service", scope="module")
def _service(project: Path, commands: Commands, postgres: Postgres) -> Iterator[Service]:
    uri = postgres.create_database()
    postgres.execute(uri, "CREATE UNIQUE INDEX ON todo (title)")  # so that there is something to conflict with
    with commands.serve(project, SQLALCHEMY_DATABASE_URI=uri, API_DOCS="true", MAINTENANCE_TOKEN=TOKEN) as service:
        yield service


@pytest.fixture(name="document", scope="module")
def _document(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("document") / "openapi.json"
    file.write_text(json.dumps(service.get("/openapi.json").json()), encoding="utf-8")
    return file


def test_redocly_finds_nothing(client_tools: ClientTools, document: Path) -> None:
    result = client_tools.run("redocly", "lint", "--format=json", "--extends=recommended", str(document))

    assert json.loads(result.stdout)["totals"] == {"errors": 0, "warnings": 0, "ignored": 0}, result.stdout


def test_spectral_finds_nothing(client_tools: ClientTools, document: Path, tmp_path: Path) -> None:
    rules = tmp_path / "rules.yml"
    rules.write_text('extends: ["spectral:oas"]\n', encoding="utf-8")

    result = client_tools.run("spectral", "lint", "--fail-severity=hint", f"--ruleset={rules}", str(document))

    assert result.returncode == 0, result.stdout


def test_a_python_client_is_typed_and_works(
    client_tools: ClientTools, document: Path, service: Service, tmp_path: Path
) -> None:
    shutil.copy(CLIENTS / "use_client.py", tmp_path)
    mypy = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "use_client.py"]

    client_tools.generate_python_client(document, tmp_path / "todo_client")

    for command in (
        [*mypy, f"--python-executable={client_tools.python}", f"--cache-dir={tmp_path}/cache"],
        [str(client_tools.python), "use_client.py", service.url, TOKEN],
    ):
        result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stdout + result.stderr


def test_a_typescript_client_is_typed_and_works(
    client_tools: ClientTools, document: Path, service: Service, tmp_path: Path
) -> None:
    for name in ("package.json", "tsconfig.json", "use_client.ts"):
        shutil.copy(CLIENTS / name, tmp_path)
    (tmp_path / "node_modules").symlink_to(client_tools.node_modules)

    for command in (
        ["openapi-typescript", str(document), "--output", str(tmp_path / "schema.ts")],
        ["tsc", "--project", str(tmp_path)],
        ["node", str(tmp_path / "use_client.js"), service.url, TOKEN],
    ):
        result = client_tools.run(*command)
        assert result.returncode == 0, result.stdout + result.stderr
