"""Commands of the maintenance window; no worker runs."""

import asyncio
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from quart import Quart
from sqlalchemy import make_url

from src.config import Config
from src.dependency_container import DependencyContainer
from src.infrastructure.databases import maintenance_drain
from src.infrastructure.databases.database import Database
from src.maintenance_window import open_again, switch
from src.management import register_commands
from tests.command_line import UNREACHABLE, db

POLL = 0.1  # seconds
CHANGE = """
import asyncio, asyncpg

async def change():
    connection = await asyncpg.connect({url!r})
    await connection.execute("UPDATE service_context SET message = 'Longer', version = version + 1")
    await connection.close()

asyncio.run(change())
"""


def _run(config: Config, *arguments: str) -> Result:
    app = Quart("commands")
    settings = {"MAINTENANCE_POLL_SECONDS": POLL, "SERVICE_NAME": "commands"}
    register_commands(app, DependencyContainer(config=config.model_copy(update=settings)))
    return CliRunner().invoke(app.cli, arguments)


def _closed(config: Config) -> bool:
    return _run(config, "maintenance_status").stdout.startswith("Maintenance mode is active")


@pytest.fixture(name="_at_once", autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No worker runs that would have to close."""
    monkeypatch.setattr(maintenance_drain, "READ_TIMEOUT", 0)


@pytest.fixture(name="unreachable")
def _unreachable(config: Config) -> Config:
    return config.model_copy(update={"SQLALCHEMY_DATABASE_URI": UNREACHABLE})


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["activate_maintenance_mode", "--timeout", "5"], "--timeout is for --wait"),
        (["activate_maintenance_mode", "--wait", "--timeout", "-1"], "is not in the range x>=0"),
        (["activate_maintenance_mode", "--duration", "1h", "--until", "2030-01-01T00:00:00Z"], "not both"),
        (["with_maintenance_mode"], "Missing argument"),
        (["with_maintenance_mode", "--", "no-such-command"], "'no-such-command' cannot be run"),
        (["with_maintenance_mode", "--wait", "true"], "No such option"),
    ],
)
def test_refuses_wrong_usage_before_it_asks_the_database(
    unreachable: Config, arguments: list[str], reason: str
) -> None:
    result = _run(unreachable, *arguments)

    assert result.exit_code == 2
    assert reason in result.stderr


def test_runs_nothing_when_the_database_cannot_be_reached(unreachable: Config) -> None:
    result = _run(unreachable, "with_maintenance_mode", "true")

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: The database cannot be reached: ")


@pytest.mark.usefixtures("database")
def test_opens_after_a_command_that_succeeded(config: Config) -> None:
    result = _run(config, "with_maintenance_mode", "--message", "Soon", sys.executable, "-c", "")

    assert (result.exit_code, _closed(config)) == (0, False)
    assert [line.split(".")[0] for line in result.stdout.splitlines()] == [
        "Maintenance mode is active",
        "Maintenance mode is inactive",
    ]


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize(("script", "code"), [("raise SystemExit(5)", 5), ("import os; os.kill(os.getpid(), 9)", 137)])
def test_passes_the_exit_code_on_and_stays_closed(config: Config, script: str, code: int) -> None:
    result = _run(config, "with_maintenance_mode", "--", sys.executable, "-c", script)

    assert (result.exit_code, _closed(config)) == (code, True)
    assert "The window stays closed: `quart deactivate_maintenance_mode` opens it." in result.stderr


@pytest.mark.usefixtures("database")
def test_leaves_closed_what_was_closed_before(config: Config) -> None:
    _run(config, "activate_maintenance_mode", "--by", "somebody")

    result = _run(config, "with_maintenance_mode", sys.executable, "-c", "")

    assert (result.exit_code, _closed(config)) == (0, True)
    assert "It was closed before this command. The window stays closed: " in result.stderr


@pytest.mark.usefixtures("database")
def test_leaves_closed_what_somebody_has_changed_meanwhile(config: Config) -> None:
    url = config.SQLALCHEMY_DATABASE_URI.set(drivername="postgresql").render_as_string(hide_password=False)

    result = _run(config, "with_maintenance_mode", "--", sys.executable, "-c", CHANGE.format(url=url))

    assert (result.exit_code, _closed(config)) == (0, True)
    assert "Somebody has changed the window meanwhile. The window stays closed: " in result.stderr


@pytest.mark.usefixtures("database")
def test_leaves_closed_what_another_such_command_has_joined(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    url = config.SQLALCHEMY_DATABASE_URI.render_as_string(hide_password=False)
    monkeypatch.setenv("SQLALCHEMY_DATABASE_URI", url)
    monkeypatch.setenv("MAINTENANCE_POLL_SECONDS", str(POLL))
    nothing = [sys.executable, "-c", ""]
    other = [sys.executable, "-m", "quart", "--app", "src/app", "with_maintenance_mode", "--", *nothing]

    result = _run(config, "with_maintenance_mode", "--", *other)

    assert (result.exit_code, _closed(config)) == (0, True)
    assert "Somebody has changed the window meanwhile. The window stays closed: " in result.stderr


async def test_of_two_that_close_at_once_none_opens(config: Config, database: Database) -> None:
    containers = [DependencyContainer(config=config, database=database) for _ in range(2)]
    on = {"maintenance": True}

    switched = await asyncio.gather(*(switch(container, on, "test", anew=True) for container in containers))
    for container, (before, ours) in zip(containers, switched, strict=True):
        await open_again(container, before, ours, by="test")

    assert (await containers[0].service_context_repository().current()).maintenance


def test_on_sqlite_a_drain_is_not_verified(config: Config, tmp_path: Path) -> None:
    url = make_url(f"sqlite+aiosqlite:///{tmp_path / 'database'}")
    assert db(url, "upgrade").code == 0

    result = _run(config.model_copy(update={"SQLALCHEMY_DATABASE_URI": url}), "activate_maintenance_mode", "--wait")

    assert result.exit_code == 0
    assert "Drained: not verified" in result.stderr
