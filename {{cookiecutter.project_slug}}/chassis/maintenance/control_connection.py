"""Each worker has one connection outside its pool: it receives notifications, reads the row and has a public name.

The messages of the application arrive on the same connection.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Self

import asyncpg

from chassis.maintenance.service_context import ServiceContext
from chassis.maintenance.store import CHANNEL, READ, parse_context
from chassis.maintenance.worker_name import open_gate_name, worker_lock
from chassis.persistence.database import Database
from chassis.persistence.engine import control_connection_arguments
from chassis.persistence.messages import CHANNEL as MESSAGES
from chassis.persistence.messages import PostgreSQLMessages
from chassis.persistence.pgbouncer import uses_pgbouncer

READ_TIMEOUT = 0.9  # seconds; with a poll of 2 s a dead connection is found and replaced within 3 s
CONNECT_TIMEOUT = 2.0

Connection = Any  # asyncpg has two classes, and a proxy for both


class ControlConnection:
    """Behind PgBouncer it only reads, because another client would get its notifications and its name."""

    def __init__(self, connection: Connection, name: str | None) -> None:
        self._connection = connection
        self._name = name

    @classmethod
    @asynccontextmanager
    async def connect(
        cls, database: Database, messages: PostgreSQLMessages, on_change: Callable[..., None]
    ) -> AsyncIterator[Self]:
        """Connect, and receive messages.

        `on_change` is called whenever the row should be read again, and when the connection is lost.
        """
        url = database.engine.url
        has_own_session = not uses_pgbouncer(url)
        service = database.options.application_name
        name = open_gate_name(service)
        async with asyncio.timeout(CONNECT_TIMEOUT):
            connection = await asyncpg.connect(**control_connection_arguments(url, name))
        try:
            connection.add_termination_listener(on_change)
            if has_own_session:
                async with asyncio.timeout(READ_TIMEOUT):
                    await connection.execute("SELECT pg_advisory_lock_shared($1, $2)", *worker_lock(service))
                    await connection.add_listener(CHANNEL, on_change)
                    await connection.add_listener(MESSAGES, messages.receive)
                messages.note_gap()
            yield cls(connection, name if has_own_session else None)
        finally:
            connection.terminate()  # closing would wait for a server that may not answer

    async def read(self) -> ServiceContext:
        return parse_context(await self._connection.fetchval(READ))

    async def rename(self, name: str) -> None:
        if self._name not in (None, name):
            async with asyncio.timeout(READ_TIMEOUT):
                await self._connection.execute("SELECT set_config('application_name', $1, false)", name)
            self._name = name
