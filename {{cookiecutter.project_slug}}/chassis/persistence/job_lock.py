"""A job that all instances start is done by one of them at a time."""

import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import func, select

from chassis.domain.ports import JobLock
from chassis.persistence.database import Database
from chassis.persistence.dialects import is_postgresql

LOCK_CLASS = int.from_bytes(b"jobs")  # any number that fits into 31 bits, as long as all instances use the same


class AdvisoryJobLock(JobLock):
    """The lock belongs to a transaction: PostgreSQL releases it when the process is killed, and PgBouncer allows it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def hold(self, name: str) -> AsyncIterator[bool]:
        async with self._database.transaction():
            yield await self._try_lock(zlib.crc32(name.encode()) >> 1)

    async def _try_lock(self, key: int) -> bool:
        if not is_postgresql(self._database.engine.url):  # SQLite belongs to one process
            return True
        async with self._database.session() as session:
            return bool(await session.scalar(select(func.pg_try_advisory_xact_lock(LOCK_CLASS, key))))
