"""Alembic's configuration, and the check that the database has all that this code needs."""

import sys
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from shutil import copyfile

from alembic.config import Config as AlembicConfig
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, column, inspect, select, table
from sqlalchemy.ext.asyncio import AsyncSession

from chassis.domain.exceptions import UnavailableError
from chassis.domain.ports import Readiness
from chassis.persistence.database import Database

MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations"
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
    """Return a configuration whose `attributes` take a `connection` or a `url` for `migrations/env.py`.

    The URL is not an option, because `%` has a meaning in options.
    """
    config = AlembicConfig(stdout=sys.stdout)  # Alembic's default is the stdout of the time of its import
    config.set_main_option("script_location", str(directory.resolve()).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.set_main_option("file_template", FILE_TEMPLATE.replace("%", "%%"))
    if find_spec("ruff"):  # a development dependency; nobody writes migrations where it is missing
        for option, value in RUFF_HOOKS.items():
            config.set_section_option("post_write_hooks", option, value)
    return config


def create_migrations(directory: Path) -> None:
    """Create a second directory that works like the first one, without its revisions.

    Raises:
        CommandError: the directory exists and is not empty.
    """
    if directory.exists() and any(directory.iterdir()):
        msg = f"Directory {directory} already exists and is not empty"
        raise CommandError(msg)
    (directory / "versions").mkdir(parents=True)
    for name in ("env.py", "script.py.mako"):
        copyfile(MIGRATIONS / name, directory / name)


class MigratedDatabase(Readiness):
    """Ready when the database answers and has the newest revision of this code, or an unknown one.

    An unknown revision is a newer one: old instances go on serving while new ones are rolled out.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def check(self) -> None:
        applied = await self._database.read(_applied_revisions)
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


async def _applied_revisions(session: AsyncSession) -> set[str]:
    def read(connection: Connection) -> set[str]:
        if not inspect(connection).has_table(VERSION_TABLE.name):
            return set()
        return set(connection.scalars(select(column("version_num")).select_from(VERSION_TABLE)))

    return await (await session.connection()).run_sync(read)
