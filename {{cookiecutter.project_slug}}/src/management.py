"""Commands of `quart`, besides its own `run`, `routes` and `shell`."""

import re

import click
from quart import Quart
from sqlalchemy import inspect

from src.command_line import Command
from src.config import Config
from src.database_commands import database_group
from src.dependency_container import DependencyContainer
from src.infrastructure.databases.migrations import migration_engine
from src.maintenance_commands import register_maintenance_commands

_SECRET_NAME = re.compile("KEY|PASSWORD|SECRET|TOKEN|CREDENTIAL")
_SECRET_IN_URL = re.compile(r"(?<=://)(?P<user>[^:/@\s]*):[^/\s]*@|(?P<name>password=)[^&\s]+")


def register_commands(app: Quart, container: DependencyContainer) -> None:
    config = container.config()
    app.cli.add_command(database_group(config.SQLALCHEMY_DATABASE_URI))
    register_maintenance_commands(app, container)

    @app.cli.command("show_db_tables", cls=Command)
    async def _show_db_tables() -> None:
        """List the tables of the database."""
        async with migration_engine(config.SQLALCHEMY_DATABASE_URI).connect() as connection:
            for name in await connection.run_sync(lambda connection: sorted(inspect(connection).get_table_names())):
                click.echo(name)

    @app.cli.command("print_config", cls=Command)
    def _print_config() -> None:
        """List the settings; secrets are masked."""
        for name in sorted(Config.model_fields):
            click.echo(f"{name}={masked(name, getattr(config, name))}")


def masked(name: str, value: object) -> str:
    """The setting without what must stay secret; whether it is set at all may be seen."""
    if _SECRET_NAME.search(name) and value:
        return "***"
    return _SECRET_IN_URL.sub(_without_secret, str(value))


def _without_secret(found: re.Match[str]) -> str:
    return f"{found['name']}***" if found["name"] else f"{found['user']}:***@"
