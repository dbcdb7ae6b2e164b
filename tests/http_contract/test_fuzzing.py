"""The made-up requests of a project reach the routes of its user, and find what these do not document."""

import subprocess

from support.applications import add_controller
from support.postgres import Postgres
from support.service import Commands
from support.template import Generate


def test_an_answer_that_is_not_documented_and_a_500_are_found(
    generate: Generate, commands: Commands, postgres: Postgres
) -> None:
    project = generate(include_todo_example=False, service_prefix="example")
    add_controller(project, "teapot")
    environment = commands.environment({"TEST_DATABASE_URL": postgres.create_database(template="template1")})

    result = subprocess.run(
        ["pytest", "tests/api/test_fuzz.py"], cwd=project, env=environment, capture_output=True, text=True, check=False
    )

    assert result.returncode == 1, result.stdout
    assert "Undocumented status code" in result.stdout
    assert "Received: 418" in result.stdout
    assert "Server error" in result.stdout
    assert "http://127.0.0.1:" in result.stdout.partition("curl -X GET")[2].partition("\n")[0]
