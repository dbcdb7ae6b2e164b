"""The fuzz tests of a project reach the routes that its user adds behind an API key, and report their mistakes."""

import subprocess
from pathlib import Path

from support.applications import add_controller
from support.pages import add_file, blocks, write
from support.postgres import Postgres
from support.service import Commands
from support.template import ROOT, Generate


def test_reports_an_undocumented_status_and_a_server_error(
    generate: Generate, commands: Commands, postgres: Postgres
) -> None:
    project = generate(include_todo_example=False, service_prefix="example")
    add_controller(project, "teapot")
    add_api_key(project)
    environment = commands.environment({"TEST_DATABASE_URL": postgres.create_database(template="template1")})

    result = subprocess.run(
        ["pytest", "chassis/tests/test_fuzz.py"],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 1, result.stdout
    assert "Undocumented status code" in result.stdout
    assert "Received: 418" in result.stdout
    assert "Server error" in result.stdout
    assert "http://127.0.0.1:" in result.stdout.partition("curl -X GET")[2].partition("\n")[0]


def add_api_key(project: Path) -> None:
    """Follow docs/api-key.md in a project without the example, whose container imports no providers yet."""
    write(project / "src" / "dependency_container.py", "from dependency_injector import providers\n")
    for block in blocks(ROOT / "docs" / "api-key.md"):
        add_file(project, block)
