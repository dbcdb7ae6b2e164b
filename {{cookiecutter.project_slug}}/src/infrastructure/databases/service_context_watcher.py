"""Keeps the state of this process true to the row of `service_context`, whatever happens to the connection."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import asyncpg
import structlog

from src.domain.maintenance_state import MaintenanceState
from src.domain.ports import ServiceContextPort
from src.domain.service_context import ServiceContext
from src.infrastructure.databases.control_connection import READ_TIMEOUT, ControlConnection
from src.infrastructure.databases.database import Database
from src.infrastructure.databases.dialects import is_postgresql
from src.infrastructure.databases.errors import NotMigratedError
from src.infrastructure.databases.gate_name import closed_name, open_name

PUBLISH_SECONDS = 0.2  # from one count of what is in flight to the next
BACK_OFF = (0.0, 0.5, 1.0, 2.0)  # seconds from one attempt to the next, the last one from then on

Read = Callable[[], Awaitable[ServiceContext]]
Rename = Callable[[str], Awaitable[None]]
log = structlog.get_logger(__name__)


class ServiceContextWatcher:
    """One task and, on PostgreSQL, one connection that listens; reading every `poll_seconds` keeps it alive.

    A notification says only "read again". When the connection cannot be replaced the pool of the application is asked.
    """

    def __init__(
        self, database: Database, repository: ServiceContextPort, state: MaintenanceState, *, poll_seconds: float
    ) -> None:
        self._database = database
        self._repository = repository
        self._state = state
        self._poll_seconds = poll_seconds
        self._wake = asyncio.Event()
        self._tried = asyncio.Event()
        self._failures = 0

    @asynccontextmanager
    async def running(self, in_flight: Callable[[], int]) -> AsyncIterator[None]:
        """Enters when the state is known, or when it could not be read at the first attempt.

        `in_flight` counts what a closed process still has to do; it is asked while the window is on.
        """
        self._state.watch()
        task = asyncio.create_task(self._watch(in_flight))
        try:
            await self._tried.wait()
            yield
        finally:
            task.cancel()
            await asyncio.wait([task], timeout=READ_TIMEOUT)

    async def _watch(self, in_flight: Callable[[], int]) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            began = clock()
            try:
                await self._follow(in_flight)
            except Exception as error:  # noqa: BLE001 - whatever it is, the state must become true again
                await self._failed(error)
            pause = BACK_OFF[min(self._failures, len(BACK_OFF)) - 1] * random.uniform(0.8, 1.2)  # noqa: S311
            await asyncio.sleep(began + pause - clock())

    async def _follow(self, in_flight: Callable[[], int]) -> None:
        """Reads whenever it is told to, and every `poll_seconds`; ends with an exception only."""
        clock = asyncio.get_running_loop().time
        async with self._connected() as (read, rename):
            while True:
                self._wake.clear()
                await self._refresh(read)
                self._recovered()
                due = clock() + self._poll_seconds
                while not self._wake.is_set() and (left := due - clock()) > 0:
                    await rename(self._name(in_flight))
                    await self._told(min(left, PUBLISH_SECONDS) if self._state.closed else left)

    async def _told(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()

    def _name(self, in_flight: Callable[[], int]) -> str:
        """Version and count of the same moment; what is published later is out of date, but was true once."""
        service = self._database.options.application_name
        if not self._state.closed:
            return open_name(service)
        return closed_name(service, self._state.context.version, in_flight())

    async def _refresh(self, read: Read) -> None:
        confirmed = False
        while not confirmed:
            changes = self._state.changes
            async with asyncio.timeout(READ_TIMEOUT):
                context = await self._read(read)
            confirmed = await self._state.confirm(context, changes=changes)

    async def _read(self, read: Read) -> ServiceContext:
        """A table that never was there stands for a window that never was; one that vanished does not."""
        try:
            return await read()
        except (NotMigratedError, asyncpg.UndefinedTableError):
            if self._state.known:
                raise
            return ServiceContext()

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[tuple[Read, Rename]]:
        if is_postgresql(self._database.engine.url):
            async with ControlConnection.opened(self._database, self._called) as control:
                yield control.read, control.rename
        else:
            yield self._repository.current, _unnamed

    def _called(self, *_: object) -> None:
        self._wake.set()

    async def _failed(self, error: Exception) -> None:
        self._failures += 1
        if self._failures == 1:  # what is wrong with one connection may be wrong with all: try a new one at once
            log.warning("maintenance state is not watched", error=repr(error))
        else:
            await self._fall_back()
        self._tried.set()

    async def _fall_back(self) -> None:
        """In a task of its own: where it gets no answer, the pool takes seconds to give up the connection."""
        question = asyncio.create_task(self._refresh(self._repository.current))
        try:
            await asyncio.wait([question], timeout=READ_TIMEOUT)
            if not question.done() or question.exception():
                self._state.mark_stale()
        finally:
            question.cancel()

    def _recovered(self) -> None:
        if self._failures:
            log.info("maintenance state is watched again", attempts=self._failures)
        self._failures = 0
        self._tried.set()


async def _unnamed(_name: str) -> None: ...
