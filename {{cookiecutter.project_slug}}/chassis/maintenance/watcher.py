"""The watcher keeps the state of this process equal to the row of `service_context`, also if connections fail."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import asyncpg
import structlog

from chassis.maintenance.control_connection import READ_TIMEOUT, ControlConnection
from chassis.maintenance.service_context import ServiceContext, ServiceContextStore
from chassis.maintenance.state import MaintenanceState
from chassis.maintenance.worker_name import closed_gate_name, open_gate_name
from chassis.persistence.database import Database
from chassis.persistence.dialects import is_postgresql
from chassis.persistence.errors import NotMigratedError
from chassis.persistence.messages import PostgreSQLMessages

PUBLISH_SECONDS = 0.2  # between two publications of the number in flight
BACK_OFF = (0.0, 0.5, 1.0, 2.0)  # seconds between two attempts; the last value from then on

Read = Callable[[], Awaitable[ServiceContext]]
Rename = Callable[[str], Awaitable[None]]
Count = Callable[[], int]
Age = Callable[[], float]
log = structlog.get_logger(__name__)


class ServiceContextWatcher:
    """One task and, on PostgreSQL, one listening connection; a read every `poll_seconds` also tests the connection.

    A notification only means "read again". While the connection cannot be replaced, the pool of the application is
    used for reading.
    """

    def __init__(
        self,
        database: Database,
        store: ServiceContextStore,
        state: MaintenanceState,
        messages: PostgreSQLMessages,
        *,
        poll_seconds: float,
    ) -> None:
        self._database = database
        self._store = store
        self._state = state
        self._messages = messages
        self._poll_seconds = poll_seconds
        self._change = asyncio.Event()
        self._first_attempt = asyncio.Event()
        self._failures = 0
        self._oldest_seconds: Age = lambda: 0.0

    @asynccontextmanager
    async def running(self, in_flight: Count, oldest_seconds: Age = lambda: 0.0) -> AsyncIterator[None]:
        """Enter when the state is known, or when the first attempt to read it has failed.

        `in_flight` counts what this process still has to finish, and `oldest_seconds` is how old the oldest of that is.
        Both are called while the gate is closed.
        """
        self._oldest_seconds = oldest_seconds
        self._state.start_watching()
        self._messages.start_receiving()
        task = asyncio.create_task(self._watch(in_flight))
        try:
            await self._first_attempt.wait()
            yield
        finally:
            task.cancel()
            await asyncio.wait([task], timeout=READ_TIMEOUT)

    async def _watch(self, in_flight: Count) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            began = clock()
            try:
                await self._follow_row(in_flight)
            except Exception as error:  # noqa: BLE001 - after any error the state must become current again
                await self._handle_failure(error)
            pause = BACK_OFF[min(self._failures, len(BACK_OFF)) - 1] * random.uniform(0.8, 1.2)  # noqa: S311
            await asyncio.sleep(began + pause - clock())

    async def _follow_row(self, in_flight: Count) -> None:
        """Read at each notification and every `poll_seconds`; only an exception ends it."""
        clock = asyncio.get_running_loop().time
        async with self._connected() as (read, rename):
            while True:
                self._change.clear()
                await self._refresh(read)
                self._handle_success()
                due = clock() + self._poll_seconds
                while not self._change.is_set() and (left := due - clock()) > 0:
                    await rename(self._worker_name(in_flight))
                    await self._wait_for_change(min(left, PUBLISH_SECONDS) if self._state.gate_closed else left)

    async def _wait_for_change(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._change.wait()

    def _worker_name(self, in_flight: Count) -> str:
        """Take version and count at the same moment, so that the name was true when it was made."""
        service = self._database.options.application_name
        if not self._state.gate_closed:
            return open_gate_name(service)
        return closed_gate_name(service, self._state.context.version, in_flight(), int(self._oldest_seconds()))

    async def _refresh(self, read: Read) -> None:
        applied = False
        while not applied:
            changes = self._state.changes
            async with asyncio.timeout(READ_TIMEOUT):
                context = await self._read_row(read)
            applied = await self._state.apply_read(context, changes=changes)

    async def _read_row(self, read: Read) -> ServiceContext:
        """A table that has never existed means that no window is active; one that has vanished is a failure."""
        try:
            return await read()
        except (NotMigratedError, asyncpg.UndefinedTableError):
            if self._state.known:
                raise
            return ServiceContext()

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[tuple[Read, Rename]]:
        if is_postgresql(self._database.engine.url):
            async with ControlConnection.connect(self._database, self._messages, self._note_change) as control:
                yield control.read, control.rename
        else:
            yield self._store.read, _rename_nothing

    def _note_change(self, *_: object) -> None:
        self._change.set()

    async def _handle_failure(self, error: Exception) -> None:
        """Replace the connection at once after the first failure, read through the pool after further ones."""
        self._failures += 1
        if self._failures == 1:
            log.warning("maintenance state is not watched", error=repr(error))
        else:
            await self._read_through_pool()
        self._first_attempt.set()

    async def _read_through_pool(self) -> None:
        """Read in a task of its own, because the pool takes seconds to close a connection that does not answer."""
        refresh = asyncio.create_task(self._refresh(self._store.read))
        try:
            await asyncio.wait([refresh], timeout=READ_TIMEOUT)
            if not refresh.done() or refresh.exception():
                self._state.mark_stale()
        finally:
            refresh.cancel()

    def _handle_success(self) -> None:
        if self._failures:
            log.info("maintenance state is watched again", attempts=self._failures)
        self._failures = 0
        self._first_attempt.set()


async def _rename_nothing(_name: str) -> None: ...
