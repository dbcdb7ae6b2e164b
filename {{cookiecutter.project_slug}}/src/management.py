"""Commands of `quart`, besides its own `run`, `routes` and `shell`."""

import re

import click
from quart import Quart
from sqlalchemy import inspect

from src.command_line import Command
from src.config import Config
from src.database_commands import database_group
from src.infrastructure.databases.migrations import migration_engine

_SECRET = re.compile("KEY|PASSWORD|SECRET|TOKEN|CREDENTIAL", re.IGNORECASE)
_PASSWORD_IN_QUERY = re.compile(r"(?<=password=)[^&]+")


def register_commands(app: Quart) -> None:
    app.cli.add_command(database_group(app.config["SQLALCHEMY_DATABASE_URI"]))

    @app.cli.command("show_db_tables", cls=Command)
    async def _show_db_tables() -> None:
        """List the tables of the database."""
        async with migration_engine(app.config["SQLALCHEMY_DATABASE_URI"]).connect() as connection:
            for name in await connection.run_sync(lambda connection: sorted(inspect(connection).get_table_names())):
                click.echo(name)

    @app.cli.command("print_config", cls=Command)
    def _print_config() -> None:
        """List the settings; secrets are masked."""
        for name in sorted(Config.model_fields):
            click.echo(f"{name}={_masked(name, app.config[name])}")


def _masked(name: str, value: object) -> str:
    """A URL masks its password itself."""
    if _SECRET.search(name) and value:
        return "***"
    return _PASSWORD_IN_QUERY.sub("***", str(value))
