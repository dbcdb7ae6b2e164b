import asyncio

import pytest
from click.testing import CliRunner, Result
from pydantic import BaseModel, SecretStr
from quart import Quart

from chassis.cli.settings_commands import mask, register_settings_commands
from chassis.config import ChassisConfig
from chassis.tests.command_line import UNREACHABLE, tables


class MailSettings(BaseModel):
    host: str
    password: str


def invoke(config: ChassisConfig, *words: str) -> Result:
    app = Quart("commands")
    register_settings_commands(app, config, config.SQLALCHEMY_DATABASE_URI)
    return CliRunner().invoke(app.cli, words)


def test_shows_the_tables_of_the_database(config: ChassisConfig) -> None:
    result = invoke(config, "show_db_tables")

    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == sorted(asyncio.run(tables(config.SQLALCHEMY_DATABASE_URI)))
    assert "service_context" in result.stdout.splitlines()


def test_reports_an_unreachable_database_in_one_line(config: ChassisConfig) -> None:
    result = invoke(config.model_copy(update={"SQLALCHEMY_DATABASE_URI": UNREACHABLE}), "show_db_tables")

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: The database cannot be reached: ")
    assert result.stderr.count("\n") == 1


def test_prints_every_setting(config: ChassisConfig) -> None:
    result = invoke(config, "print_config")

    assert result.exit_code == 0
    assert [line.partition("=")[0] for line in result.stdout.splitlines()] == sorted(ChassisConfig.model_fields)
    assert "APP_ENV=testing\n" in result.stdout


def test_masks_passwords_in_urls(config: ChassisConfig) -> None:
    url = UNREACHABLE.update_query_dict({"password": "hidden", "application_name": "shown"})

    result = invoke(config.model_copy(update={"SQLALCHEMY_DATABASE_URI": url}), "print_config")

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
        ("PIN", SecretStr("hidden"), "**********"),
        ("SECRET_KEY_FALLBACKS", [SecretStr("hidden")], "***"),
        ("PINS", [SecretStr("hidden")], "[SecretStr('**********')]"),
        ("MAIL", MailSettings(host="mail", password="hidden"), "{'host': 'mail', 'password': '***'}"),
        ("MAIL", [{"token": "hidden"}], "[{'token': '***'}]"),
        ("REDIS_URL", "redis://:hid@den@cache:6379/0", "redis://:***@cache:6379/0"),
        ("BROKER", "amqp://user:hidden@queue", "amqp://user:***@queue"),
        ("CORS_ORIGINS", ("https://a.example", "https://b.example:8443"), None),
    ],
)
def test_masks_secrets_and_nothing_else(name: str, value: object, shown: str | None) -> None:
    assert mask(name, value) == (shown or str(value))
