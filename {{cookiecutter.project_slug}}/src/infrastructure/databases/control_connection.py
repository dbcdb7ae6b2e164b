"""The connection that a worker has outside of its pool: it hears of a change, reads the row, and its name is public."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Self

import asyncpg

from src.domain.service_context import ServiceContext
from src.infrastructure.databases.database import Database
from src.infrastructure.databases.dialects import control_connection_arguments
from src.infrastructure.databases.gate_name import open_name
from src.infrastructure.databases.pgbouncer import through_pgbouncer
from src.infrastructure.repositories.service_context_repository import CHANNEL, READ, context_of

READ_TIMEOUT = 0.9  # seconds; with a poll of 2 s a dead connection is found and replaced within 3 s
CONNECT_TIMEOUT = 2.0


class ControlConnection:
    """Behind PgBouncer it only reads: another client would hear what it listens to, or bear its name."""

    def __init__(self, connection: Any, name: str | None) -> None:  # noqa: ANN401 - asyncpg has two kinds
        self._connection = connection
        self._name = name

    @classmethod
    @asynccontextmanager
    async def opened(cls, database: Database, called: Callable[..., None]) -> AsyncIterator[Self]:
        """`called` whenever the row should be read again, and when the connection is lost."""
        url = database.engine.url
        own_session = not through_pgbouncer(url)
        async with asyncio.timeout(CONNECT_TIMEOUT):
            connection = await asyncpg.connect(**control_connection_arguments(url, database.options))
        try:
            connection.add_termination_listener(called)
            if own_session:
                async with asyncio.timeout(READ_TIMEOUT):
                    await connection.add_listener(CHANNEL, called)
            yield cls(connection, open_name(database.options.application_name) if own_session else None)
        finally:
            connection.terminate()  # closing would wait for a server that may not answer

    async def read(self) -> ServiceContext:
        return context_of(await self._connection.fetchval(READ))

    async def rename(self, name: str) -> None:
        if self._name not in (None, name):
            async with asyncio.timeout(READ_TIMEOUT):
                await self._connection.execute("SELECT set_config('application_name', $1, false)", name)
            self._name = name
