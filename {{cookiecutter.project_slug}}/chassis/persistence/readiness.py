"""The readiness probe has a connection of its own: a pool that is used up is no reason to take an instance out."""

import asyncio
from dataclasses import replace
from functools import cached_property

from alembic.script import ScriptDirectory
from sqlalchemy import String, column, select
from sqlalchemy.ext.asyncio import AsyncSession

from chassis.domain.exceptions import UnavailableError
from chassis.domain.ports import Readiness
from chassis.persistence.database import Database
from chassis.persistence.engine import MAX_APPLICATION_NAME
from chassis.persistence.errors import NotMigratedError
from chassis.persistence.migrations import VERSION_TABLE, alembic_config

PATIENCE = 0.9  # seconds that a probe waits, so that it has its answer within one
STATEMENT_TIMEOUT = 1.0
SUFFIX = " probe"
APPLIED = select(column("version_num", String)).select_from(VERSION_TABLE)


def create_probe_database(database: Database) -> Database:
    """Return the same database with one connection, which PostgreSQL shows as `<service> probe`."""
    name = database.options.application_name[: MAX_APPLICATION_NAME - len(SUFFIX)] + SUFFIX
    options = replace(database.options, application_name=name, pool_size=1, statement_timeout=STATEMENT_TIMEOUT)
    return Database(database.engine.url, options)


class MigratedDatabase(Readiness):
    """Ready when the database answers and has the newest revision of this code, or an unknown one.

    An unknown revision is a newer one: old instances go on serving while new ones are rolled out.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._reading: asyncio.Task[set[str]] | None = None

    async def check(self) -> None:
        applied = await self._read_in_time()
        if not (applied >= self._newest or applied - self._known):
            msg = "The database is not at the revision of this service: run `quart db upgrade`."
            raise UnavailableError(msg)

    async def _read_in_time(self) -> set[str]:
        """Share one read among all probes, and leave it running: to cancel it, the driver may need seconds."""
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._database.read(_read_applied_revisions))
            self._reading.add_done_callback(_retrieve_exception)
        reading = self._reading
        await asyncio.wait([reading], timeout=PATIENCE)
        if not reading.done():
            msg = f"The database has not answered within {PATIENCE} s."
            raise UnavailableError(msg)
        try:
            return reading.result()
        except NotMigratedError:
            return set()

    @cached_property
    def _newest(self) -> set[str]:
        return set(self._script.get_heads())

    @cached_property
    def _known(self) -> set[str]:
        return {script.revision for script in self._script.walk_revisions()}

    @cached_property
    def _script(self) -> ScriptDirectory:
        return ScriptDirectory.from_config(alembic_config())


async def _read_applied_revisions(session: AsyncSession) -> set[str]:
    return set((await session.scalars(APPLIED)).all())


def _retrieve_exception(reading: asyncio.Task[set[str]]) -> None:
    """Keep asyncio from logging the error of a read for which no probe waits any more."""
    if not reading.cancelled():
        reading.exception()
