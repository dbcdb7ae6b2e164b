"""Commands of the maintenance window; no worker runs."""

import asyncio
import os
import socket
import sys
from pathlib import Path
from unittest.mock import Mock

import pytest
from click.testing import CliRunner, Result
from quart import Quart
from sqlalchemy import make_url

from chassis.config import ChassisConfig
from chassis.dependency_container import ChassisContainer
from chassis.maintenance import drain
from chassis.maintenance.commands import operator_name, register_maintenance_commands
from chassis.persistence.database import Database
from chassis.tests.command_line import UNREACHABLE, db

POLL = 0.1  # seconds
CHANGE = """
import asyncio, asyncpg

async def change():
    connection = await asyncpg.connect({url!r})
    await connection.execute("UPDATE service_context SET message = 'Longer', version = version + 1")
    await connection.close()

asyncio.run(change())
"""


def _run(config: ChassisConfig, *arguments: str) -> Result:
    app = Quart("commands")
    settings = {"MAINTENANCE_POLL_SECONDS": POLL, "SERVICE_NAME": "commands"}
    container = ChassisContainer(config=config.model_copy(update=settings))
    register_maintenance_commands(app, container.window_operator)
    return CliRunner().invoke(app.cli, arguments)


def _is_active(config: ChassisConfig) -> bool:
    return _run(config, "maintenance_status").stdout.startswith("Maintenance mode is active")


@pytest.fixture(name="_at_once", autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No worker runs that would have to close."""
    monkeypatch.setattr(drain, "READ_TIMEOUT", 0)


@pytest.fixture(name="unreachable")
def _unreachable(config: ChassisConfig) -> ChassisConfig:
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
    unreachable: ChassisConfig, arguments: list[str], reason: str
) -> None:
    result = _run(unreachable, *arguments)

    assert result.exit_code == 2
    assert reason in result.stderr


def test_runs_nothing_when_the_database_cannot_be_reached(unreachable: ChassisConfig) -> None:
    result = _run(unreachable, "with_maintenance_mode", "true")

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: The database cannot be reached: ")


@pytest.mark.usefixtures("database")
def test_opens_after_a_command_that_succeeded(config: ChassisConfig) -> None:
    result = _run(config, "with_maintenance_mode", "--message", "Soon", sys.executable, "-c", "")

    assert (result.exit_code, _is_active(config)) == (0, False)
    assert [line.split(".")[0] for line in result.stdout.splitlines()] == [
        "Maintenance mode is active",
        "Maintenance mode is inactive",
    ]


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize(("script", "code"), [("raise SystemExit(5)", 5), ("import os; os.kill(os.getpid(), 9)", 137)])
def test_passes_the_exit_code_on_and_stays_closed(config: ChassisConfig, script: str, code: int) -> None:
    result = _run(config, "with_maintenance_mode", "--", sys.executable, "-c", script)

    assert (result.exit_code, _is_active(config)) == (code, True)
    assert "The window stays active: `quart deactivate_maintenance_mode` ends it." in result.stderr


@pytest.mark.usefixtures("database")
def test_leaves_closed_what_was_closed_before(config: ChassisConfig) -> None:
    _run(config, "activate_maintenance_mode", "--by", "somebody")

    result = _run(config, "with_maintenance_mode", sys.executable, "-c", "")

    assert (result.exit_code, _is_active(config)) == (0, True)
    assert "The window was active before this command. The window stays active: " in result.stderr


@pytest.mark.usefixtures("database")
def test_leaves_closed_what_somebody_has_changed_meanwhile(config: ChassisConfig) -> None:
    url = config.SQLALCHEMY_DATABASE_URI.set(drivername="postgresql").render_as_string(hide_password=False)

    result = _run(config, "with_maintenance_mode", "--", sys.executable, "-c", CHANGE.format(url=url))

    assert (result.exit_code, _is_active(config)) == (0, True)
    assert "Somebody has changed the window meanwhile. The window stays active: " in result.stderr


@pytest.mark.usefixtures("database")
def test_leaves_closed_what_another_such_command_has_joined(
    config: ChassisConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = config.SQLALCHEMY_DATABASE_URI.render_as_string(hide_password=False)
    monkeypatch.setenv("SQLALCHEMY_DATABASE_URI", url)
    monkeypatch.setenv("MAINTENANCE_POLL_SECONDS", str(POLL))
    nothing = [sys.executable, "-c", ""]
    other = [sys.executable, "-m", "quart", "--app", "src/app", "with_maintenance_mode", "--", *nothing]

    result = _run(config, "with_maintenance_mode", "--", *other)

    assert (result.exit_code, _is_active(config)) == (0, True)
    assert "Somebody has changed the window meanwhile. The window stays active: " in result.stderr


async def test_of_two_that_close_at_once_none_opens(config: ChassisConfig, database: Database) -> None:
    operators = [ChassisContainer(config=config, database=database).window_operator() for _ in range(2)]
    on = {"maintenance": True}

    switched = await asyncio.gather(*(operator.switch(on, "test", force=True) for operator in operators))
    for operator, (before, own) in zip(operators, switched, strict=True):
        await operator.end_own_window(before, own, by="test")

    assert (await operators[0].read()).maintenance


def test_on_sqlite_a_drain_is_not_verified(config: ChassisConfig, tmp_path: Path) -> None:
    url = make_url(f"sqlite+aiosqlite:///{tmp_path / 'database'}")
    assert db(url, "upgrade").code == 0

    result = _run(config.model_copy(update={"SQLALCHEMY_DATABASE_URI": url}), "activate_maintenance_mode", "--wait")

    assert result.exit_code == 0
    assert "Drained: not verified" in result.stderr


@pytest.mark.parametrize("error", [KeyError("uid not found: 10001"), OSError("No username set in the environment")])
def test_who_has_no_name_is_known_by_a_number(
    error: Exception, config: ChassisConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a container; the error is that of Python up to 3.12, and from 3.13 on."""
    monkeypatch.setattr("getpass.getuser", Mock(side_effect=error))

    assert operator_name() == f"uid {os.getuid()}@{socket.gethostname()}"


@pytest.mark.parametrize("duration", ["0m", "9999999999d", "99999999d", f"{'9' * 5000}s", "soon"])
def test_what_is_no_duration_is_wrong_usage(duration: str, config: ChassisConfig) -> None:
    result = _run(config, "activate_maintenance_mode", "--duration", duration)

    assert result.exit_code == 2
    assert "is not a duration, expected for instance 30m, 1h30m or 2d" in result.stderr


def test_a_message_that_is_too_long_is_named(config: ChassisConfig) -> None:
    result = _run(config, "activate_maintenance_mode", "--message", "a" * 501)

    assert (result.exit_code, result.stderr) == (1, "Error: message: must have at most 500 characters\n")
