import asyncio
import os
import socket
from unittest.mock import Mock

import pytest
from click.testing import CliRunner, Result
from pydantic import SecretStr
from quart import Quart

from src.config import Config
from src.dependency_container import DependencyContainer
from src.maintenance_commands import operator
from src.management import masked, register_commands
from tests.command_line import UNREACHABLE, tables


def run(config: Config, *words: str) -> Result:
    app = Quart("commands")
    register_commands(app, DependencyContainer(config=config))
    return CliRunner().invoke(app.cli, words)


def test_shows_the_tables_of_the_database(config: Config) -> None:
    result = run(config, "show_db_tables")

    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == sorted(asyncio.run(tables(config.SQLALCHEMY_DATABASE_URI)))
    assert "service_context" in result.stdout.splitlines()


def test_a_database_that_cannot_be_reached_is_one_line(config: Config) -> None:
    result = run(config.model_copy(update={"SQLALCHEMY_DATABASE_URI": UNREACHABLE}), "show_db_tables")

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: The database cannot be reached: ")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("error", [KeyError("uid not found: 10001"), OSError("No username set in the environment")])
def test_who_has_no_name_is_known_by_a_number(
    error: Exception, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a container; the error is that of Python up to 3.12, and from 3.13 on."""
    monkeypatch.setattr("getpass.getuser", Mock(side_effect=error))

    assert operator() == f"uid {os.getuid()}@{socket.gethostname()}"


@pytest.mark.parametrize("duration", ["0m", "9999999999d", "99999999d", f"{'9' * 5000}s", "soon"])
def test_what_is_no_duration_is_wrong_usage(duration: str, config: Config) -> None:
    result = run(config, "activate_maintenance_mode", "--duration", duration)

    assert result.exit_code == 2
    assert "is no duration, expected for instance 30m, 1h30m or 2d" in result.stderr


def test_a_message_that_is_too_long_is_named(config: Config) -> None:
    result = run(config, "activate_maintenance_mode", "--message", "a" * 501)

    assert (result.exit_code, result.stderr) == (1, "Error: message: must have at most 500 characters\n")


def test_prints_every_setting(config: Config) -> None:
    result = run(config, "print_config")

    assert result.exit_code == 0
    assert [line.partition("=")[0] for line in result.stdout.splitlines()] == sorted(Config.model_fields)
    assert "APP_ENV=testing\n" in result.stdout


def test_masks_passwords(config: Config) -> None:
    url = UNREACHABLE.update_query_dict({"password": "hidden", "application_name": "shown"})

    result = run(config.model_copy(update={"SQLALCHEMY_DATABASE_URI": url}), "print_config")

    assert "hidden" not in result.stdout
    assert "//user:***@127.0.0.1:1/nowhere?" in result.stdout
    assert "application_name=shown" in result.stdout
    assert "password=***" in result.stdout


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("MAINTENANCE_TOKEN", "hidden", "***"),
        ("MAINTENANCE_TOKEN", SecretStr("hidden"), "***"),
        ("MAINTENANCE_TOKEN", None, "None"),
        ("REDIS_URL", "redis://:hid@den@cache:6379/0", "redis://:***@cache:6379/0"),
        ("BROKER", "amqp://user:hidden@queue", "amqp://user:***@queue"),
        ("CORS_ORIGINS", ("https://a.example", "https://b.example:8443"), None),
    ],
)
def test_shows_no_secret(name: str, value: object, shown: str | None) -> None:
    assert masked(name, value) == (shown or str(value))
