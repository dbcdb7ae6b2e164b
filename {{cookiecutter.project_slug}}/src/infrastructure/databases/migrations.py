"""How Alembic reaches our database, and whether the database has all that it should."""

import sys
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from shutil import copyfile

from alembic.config import Config as AlembicConfig
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import URL, Connection, NullPool, column, event, inspect, select, table
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from src.domain.exceptions import UnavailableError
from src.domain.ports import Readiness
from src.infrastructure.databases.database import Database
from src.infrastructure.databases.dialects import (
    DatabaseOptions,
    engine_options,
    transaction_isolation,
)

MIGRATIONS = Path(__file__).resolve().parents[3] / "migrations"
VERSION_TABLE = table("alembic_version")
FILE_TEMPLATE = "%(year)d_%(month).2d_%(day).2d_%(hour).2d%(minute).2d_%(rev)s_%(slug)s"
RUFF_HOOKS = {
    "hooks": "fix, format",
    "fix.type": "module",
    "fix.module": "ruff",
    "fix.options": "check --fix-only --quiet REVISION_SCRIPT_FILENAME",
    "format.type": "module",
    "format.module": "ruff",
    "format.options": "format --quiet REVISION_SCRIPT_FILENAME",
}


def alembic_config(directory: Path = MIGRATIONS) -> AlembicConfig:
    """Its `attributes` take what `migrations/env.py` works on: a `connection`, or a `url`.

    The URL is no option: `%` has a meaning there.
    """
    config = AlembicConfig(stdout=sys.stdout)  # its default is that of when it was imported
    config.set_main_option("script_location", str(directory.resolve()).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.set_main_option("file_template", FILE_TEMPLATE.replace("%", "%%"))
    if find_spec("ruff"):  # a development dependency; where it is missing nobody writes migrations
        for option, value in RUFF_HOOKS.items():
            config.set_section_option("post_write_hooks", option, value)
    return config


def create_migrations(directory: Path) -> None:
    """Makes a second directory that works as the first one, without its revisions.

    Raises:
        CommandError: there is something in it already.
    """
    if directory.exists() and any(directory.iterdir()):
        msg = f"Directory {directory} already exists and is not empty"
        raise CommandError(msg)
    (directory / "versions").mkdir(parents=True)
    for name in ("env.py", "script.py.mako"):
        copyfile(MIGRATIONS / name, directory / name)


def migration_engine(url: URL) -> AsyncEngine:
    """One connection with real transactions, without the service's timeouts of statements and of what is between.

    It waits longer for the connection, too: nobody's request waits for it.
    """
    options = DatabaseOptions(
        application_name="migrations", connect_timeout=10, statement_timeout=0, idle_in_transaction_timeout=0
    )
    engine = create_async_engine(
        url,
        poolclass=NullPool,
        hide_parameters=True,
        isolation_level=transaction_isolation(url),
        connect_args=engine_options(url, options).get("connect_args", {}),
    )
    if url.get_backend_name() == "sqlite":
        event.listen(engine.sync_engine, "connect", _ignore_foreign_keys_of_sqlite)
    return engine


class MigratedDatabase(Readiness):
    """Ready means that the database answers and has all that this code needs.

    A revision that this code does not know is a newer one:
    the old instances go on serving while new ones are rolled out.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def check(self) -> None:
        applied = await self._database.read(_revisions)
        if not (applied >= self._newest or applied - self._known):
            msg = "The database is not at the revision of this service: run `quart db upgrade`."
            raise UnavailableError(msg)

    @cached_property
    def _newest(self) -> set[str]:
        return set(self._script.get_heads())

    @cached_property
    def _known(self) -> set[str]:
        return {script.revision for script in self._script.walk_revisions()}

    @cached_property
    def _script(self) -> ScriptDirectory:
        return ScriptDirectory.from_config(alembic_config())


async def _revisions(session: AsyncSession) -> set[str]:
    def current(connection: Connection) -> set[str]:
        if not inspect(connection).has_table(VERSION_TABLE.name):
            return set()
        return set(connection.scalars(select(column("version_num")).select_from(VERSION_TABLE)))

    return await (await session.connection()).run_sync(current)


def _ignore_foreign_keys_of_sqlite(connection: DBAPIConnection, _record: object) -> None:
    """SQLite alters a table by copying and dropping it, which would cascade to rows elsewhere.

    Source: https://alembic.sqlalchemy.org/en/latest/batch.html#dealing-with-referencing-foreign-keys
    """
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys = OFF")
    cursor.close()
