"""Pages whose commands are true because they are run: each `$` line of a ```console block, and what it prints."""

import re
import subprocess
from pathlib import Path

import pytest
from conftest import ROOT
from service import Commands, Postgres

pytest_plugins = ["service"]

CONSOLE = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
URI = "SQLALCHEMY_DATABASE_URI"


def steps(page: Path) -> list[tuple[str, str]]:
    """Commands and what they print, where `…` stands for anything."""
    parts = "".join(CONSOLE.findall(page.read_text(encoding="utf-8"))).split("$ ")[1:]
    return [(part.split("\n", 1)[0], part.split("\n", 1)[1].strip()) for part in parts]


def test_finds_commands_and_what_they_print() -> None:
    (command, printed), *rest = steps(ROOT / "docs" / "maintenance-window.md")

    assert command.startswith("curl -X PATCH")
    assert printed.startswith('{"maintenance":true')
    assert len(rest) >= 8


@pytest.mark.parametrize("page", ["maintenance-window.md"])
def test_what_a_page_shows_is_what_happens(page: str, project: Path, commands: Commands, postgres: Postgres) -> None:
    settings = {URI: postgres.create(), "APP_ENV": "development"}

    with commands.serving(project, **settings) as service:
        for command, expected in steps(ROOT / "docs" / page):
            result = subprocess.run(
                command.replace("curl ", "curl --silent ").replace("127.0.0.1:7000", f"127.0.0.1:{service.port}"),
                shell=True,
                cwd=project,
                env=commands.environment(settings),
                capture_output=True,
                text=True,
                check=False,
            )

            pattern = ".*".join(re.escape(part) for part in expected.split("…"))
            assert result.returncode == 0, f"{command}\n{result.stderr}"
            assert re.fullmatch(pattern, result.stdout.strip()), f"{command}\n{result.stdout}"
