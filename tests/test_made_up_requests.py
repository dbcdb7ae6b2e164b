"""The made-up requests of a project reach the routes of its user, and find what these do not document."""

import subprocess

from conftest import Generate
from service import Commands, Postgres

pytest_plugins = ["service"]

TEAPOT = """
from quart import Blueprint

blueprint = Blueprint("teapot", __name__)


@blueprint.get("/teapot/<int:number>")
async def teapot(number: int) -> tuple[str, int]:
    return str(1 // (number - 1)), 418
"""


def test_an_answer_that_is_not_documented_and_a_500_are_found(
    generate: Generate, commands: Commands, postgres: Postgres
) -> None:
    project = generate(include_todo_example=False, service_prefix="example")
    controller = project / "src" / "api" / "controllers" / "teapot.py"
    controller.write_text(TEAPOT, encoding="utf-8")
    environment = commands.environment({"TEST_DATABASE_URL": postgres.create(template="template1")})

    result = subprocess.run(
        ["pytest", "tests/api/test_fuzz.py"], cwd=project, env=environment, capture_output=True, text=True, check=False
    )

    assert result.returncode == 1, result.stdout
    assert "Undocumented status code" in result.stdout
    assert "Received: 418" in result.stdout
    assert "Server error" in result.stdout
    assert "http://127.0.0.1:" in result.stdout.partition("curl -X GET")[2].partition("\n")[0]
