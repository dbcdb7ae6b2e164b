"""The commands of the maintenance window, without a running worker."""

import asyncio
import os
import socket
import sys
from pathlib import Path
from unittest.mock import Mock

import pytest
from click.testing import CliRunner, Result
from quart import Quart
from sqlalchemy import URL, make_url

from chassis.config import ChassisConfig
from chassis.dependency_container import ChassisContainer
from chassis.dev.testing.sqlite import requires_sqlite
from chassis.maintenance.commands import operator_name, register_maintenance_commands
from chassis.persistence.database import Database
from chassis.persistence.model import ModelExtension
from chassis.tests.command_line import UNREACHABLE

POLL_SECONDS = 0.1


def _run(config: ChassisConfig, *arguments: str) -> Result:
    app = Quart("commands")
    settings = {"MAINTENANCE_POLL_SECONDS": POLL_SECONDS, "SERVICE_NAME": "commands"}
    container = ChassisContainer(config=config.model_copy(update=settings))
    register_maintenance_commands(app, container.window_operator)
    return CliRunner().invoke(app.cli, arguments)


async def _create_service_context_table(url: URL) -> None:
    """Create the one table that the commands need; the migrations of a service may not run on SQLite."""
    database = Database(url)
    async with database.engine.begin() as connection:
        await connection.run_sync(ModelExtension.metadata.tables["service_context"].create)
    await database.close()


def _is_active(config: ChassisConfig) -> bool:
    return _run(config, "maintenance_status").stdout.startswith("Maintenance mode is active")


@pytest.fixture(autouse=True)
def _shorten_drain(monkeypatch: pytest.MonkeyPatch) -> None:
    """A drain need not wait until workers without a connection have closed their gates, because no worker runs."""
    monkeypatch.setattr("chassis.maintenance.drain.READ_TIMEOUT", 0)


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
def test_refuses_wrong_usage_before_it_connects_to_the_database(
    unreachable: ChassisConfig, arguments: list[str], reason: str
) -> None:
    result = _run(unreachable, *arguments)

    assert result.exit_code == 2
    assert reason in result.stderr


def test_runs_no_command_if_the_database_is_unreachable(unreachable: ChassisConfig) -> None:
    result = _run(unreachable, "with_maintenance_mode", "true")

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: The database cannot be reached: ")


@pytest.mark.usefixtures("database")
def test_deactivates_the_window_after_a_successful_command(config: ChassisConfig) -> None:
    result = _run(config, "with_maintenance_mode", "--message", "Soon", sys.executable, "-c", "")

    assert (result.exit_code, _is_active(config)) == (0, False)
    assert [line.split(".")[0] for line in result.stdout.splitlines()] == [
        "Maintenance mode is active",
        "Maintenance mode is inactive",
    ]


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize(("script", "code"), [("raise SystemExit(5)", 5), ("import os; os.kill(os.getpid(), 9)", 137)])
def test_returns_the_exit_code_of_a_failed_command_and_keeps_the_window_active(
    config: ChassisConfig, script: str, code: int
) -> None:
    result = _run(config, "with_maintenance_mode", "--", sys.executable, "-c", script)

    assert (result.exit_code, _is_active(config)) == (code, True)
    assert "The window stays active: `quart deactivate_maintenance_mode` ends it." in result.stderr


@pytest.mark.usefixtures("database")
def test_keeps_a_window_active_that_was_active_before(config: ChassisConfig) -> None:
    _run(config, "activate_maintenance_mode", "--by", "somebody")

    result = _run(config, "with_maintenance_mode", sys.executable, "-c", "")

    assert (result.exit_code, _is_active(config)) == (0, True)
    assert "The window was active before this command. The window stays active: " in result.stderr


@pytest.mark.usefixtures("database")
def test_keeps_the_window_active_if_somebody_changed_it_meanwhile(config: ChassisConfig) -> None:
    url = config.SQLALCHEMY_DATABASE_URI.set(drivername="postgresql").render_as_string(hide_password=False)
    change_message = [sys.executable, "-m", "chassis.tests.maintenance.change_message", url]

    result = _run(config, "with_maintenance_mode", "--", *change_message)

    assert (result.exit_code, _is_active(config)) == (0, True)
    assert "Somebody has changed the window meanwhile. The window stays active: " in result.stderr


@pytest.mark.usefixtures("database")
def test_keeps_the_window_active_if_another_such_command_joined_it(
    config: ChassisConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = config.SQLALCHEMY_DATABASE_URI.render_as_string(hide_password=False)
    monkeypatch.setenv("SQLALCHEMY_DATABASE_URI", url)
    monkeypatch.setenv("MAINTENANCE_POLL_SECONDS", str(POLL_SECONDS))
    do_nothing = [sys.executable, "-c", ""]
    quart = [sys.executable, "-m", "quart", "--app", "chassis.tests.sample.app"]

    result = _run(config, "with_maintenance_mode", "--", *quart, "with_maintenance_mode", "--", *do_nothing)

    assert (result.exit_code, _is_active(config)) == (0, True)
    assert "Somebody has changed the window meanwhile. The window stays active: " in result.stderr


async def test_keeps_the_window_active_if_two_commands_activate_it_at_once(
    config: ChassisConfig, database: Database
) -> None:
    operators = [ChassisContainer(config=config, database=database).window_operator() for _ in range(2)]
    activation = {"maintenance": True}

    changes = await asyncio.gather(*(operator.switch(activation, "test", force=True) for operator in operators))
    for operator, (before, after) in zip(operators, changes, strict=True):
        await operator.end_own_window(before, after, by="test")

    assert (await operators[0].read()).maintenance


@requires_sqlite
def test_does_not_verify_a_drain_on_sqlite(config: ChassisConfig, tmp_path: Path) -> None:
    url = make_url(f"sqlite+aiosqlite:///{tmp_path / 'database'}")
    asyncio.run(_create_service_context_table(url))

    result = _run(config.model_copy(update={"SQLALCHEMY_DATABASE_URI": url}), "activate_maintenance_mode", "--wait")

    assert result.exit_code == 0
    assert "Drained: not verified" in result.stderr


@pytest.mark.parametrize("error", [KeyError("uid not found: 10001"), OSError("No username set in the environment")])
def test_names_an_operator_without_a_user_name_by_the_uid(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user of a container may have no name; Python raises KeyError up to 3.12 and OSError from 3.13."""
    monkeypatch.setattr("getpass.getuser", Mock(side_effect=error))

    assert operator_name() == f"uid {os.getuid()}@{socket.gethostname()}"


@pytest.mark.parametrize("duration", ["0m", "9999999999d", "99999999d", f"{'9' * 5000}s", "soon"])
def test_refuses_an_invalid_duration(duration: str, config: ChassisConfig) -> None:
    result = _run(config, "activate_maintenance_mode", "--duration", duration)

    assert result.exit_code == 2
    assert "is not a duration, expected for instance 30m, 1h30m or 2d" in result.stderr


@pytest.mark.parametrize("time", ["soon", "2030-01-01T00:00:00", "2030-01-32T00:00:00Z"])
def test_refuses_an_invalid_time(time: str, config: ChassisConfig) -> None:
    result = _run(config, "activate_maintenance_mode", "--until", time)

    assert result.exit_code == 2
    assert "is not a time with an offset, expected for instance 2026-01-31T22:00:00Z" in result.stderr


def test_names_the_message_if_it_is_too_long(config: ChassisConfig) -> None:
    result = _run(config, "activate_maintenance_mode", "--message", "a" * 501)

    assert (result.exit_code, result.stderr) == (1, "Error: message: must have at most 500 characters\n")
