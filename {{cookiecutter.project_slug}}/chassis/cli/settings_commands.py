"""Commands that show what is in effect: settings, with secrets masked, and tables."""

import re

import click
from pydantic import BaseModel
from pydantic_settings import BaseSettings
from quart import Quart
from sqlalchemy import URL, inspect

from chassis.cli.command import AsyncCommand
from chassis.persistence.engine import create_migration_engine

_SECRET_NAME = re.compile("KEY|PASSWORD|SECRET|TOKEN|CREDENTIAL")
_SECRET_IN_URL = re.compile(r"(?<=://)(?P<user>[^:/@\s]*):[^/\s]*@|(?P<name>password=)[^&\s]+")


def register_settings_commands(app: Quart, config: BaseSettings, url: URL) -> None:
    @app.cli.command("show_db_tables", cls=AsyncCommand)
    async def _show_db_tables() -> None:
        """List the tables of the database."""
        async with create_migration_engine(url).connect() as connection:
            for name in await connection.run_sync(lambda connection: sorted(inspect(connection).get_table_names())):
                click.echo(name)

    @app.cli.command("print_config", cls=AsyncCommand)
    def _print_config() -> None:
        """List the settings; secrets are masked."""
        for name in sorted(type(config).model_fields):
            click.echo(f"{name}={mask(name, getattr(config, name))}")


def mask(name: str, value: object) -> str:
    """Return the setting without its secrets; whether a secret is set remains visible."""
    return _SECRET_IN_URL.sub(_without_secret, str(_hide(name, value)))


def _hide(name: str, value: object) -> object:
    """Replace each value below a name of a secret; a `SecretStr` hides itself."""
    if _SECRET_NAME.search(name.upper()) and value:
        return "***"
    if isinstance(value, BaseModel):
        value = dict(value)
    if isinstance(value, dict):
        return {key: _hide(str(key), item) for key, item in value.items()}
    if isinstance(value, (list, tuple)) and not isinstance(value, URL):
        return type(value)(_hide("", item) for item in value)
    return value


def _without_secret(found: re.Match[str]) -> str:
    return f"{found['name']}***" if found["name"] else f"{found['user']}:***@"
