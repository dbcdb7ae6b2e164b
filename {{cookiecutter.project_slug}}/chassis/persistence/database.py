"""One pool serves single statements in autocommit and explicit transactions.

Reads and one-statement writes send no BEGIN, COMMIT or ROLLBACK; a transaction does, on a connection of the same pool.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from functools import partial
from typing import TypeVar

from sqlalchemy import URL, Connection, event
from sqlalchemy.engine.interfaces import ExceptionContext
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.util import greenlet_spawn

from chassis.domain.exceptions import UnavailableError
from chassis.persistence.connections import close_on_return
from chassis.persistence.dialects import transaction_isolation
from chassis.persistence.engine import DatabaseOptions, create_service_engine
from chassis.persistence.errors import is_stale, translate_errors, translate_statement_errors
from chassis.persistence.unit_of_work import UnitOfWork

Result = TypeVar("Result")


class Database:
    """Keeps the engine of one process, and opens its sessions and transactions."""

    def __init__(self, url: URL, options: DatabaseOptions | None = None) -> None:
        self.options = options or DatabaseOptions()
        self.engine = create_service_engine(url, self.options)
        self._autocommit_sessions = async_sessionmaker(self.engine, autoflush=False, expire_on_commit=False)
        self._transaction_sessions = async_sessionmaker(
            self.engine.execution_options(isolation_level=transaction_isolation(url)),
            autoflush=False,
            expire_on_commit=False,
        )
        self._current: ContextVar[UnitOfWork | None] = ContextVar("unit_of_work", default=None)
        event.listen(self.engine.sync_engine, "handle_error", self._record_failure)

    @property
    def in_transaction(self) -> bool:
        """Return whether the caller is inside `transaction()`."""
        work = self._current.get()
        return work is not None and work.open

    async def close(self) -> None:
        """Close idle connections now and the others when they are returned, without waiting; later calls reconnect."""
        pool = self.engine.sync_engine.pool
        await self.engine.dispose()
        close_on_return(pool)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """Give the session of the running transaction, or else a new one in autocommit that is closed afterwards.

        Raises:
            DomainError: the database refused or could not be reached.
            ConcurrentUseError: another call is using the session of the transaction.
        """
        work = self._current.get()
        with translate_errors():
            if work is not None and work.open:
                with work.in_use():
                    yield work.session
            else:
                async with self._autocommit_sessions() as session:
                    yield session

    async def read(self, query: Callable[[AsyncSession], Awaitable[Result]]) -> Result:
        """Run a query that writes nothing; outside a transaction, run it again if its connection was dead or stale."""

        async def attempt() -> Result:
            async with self.session() as session:
                return await query(session)

        return await self._repeat(attempt)

    async def run_read(self, work: Callable[[Connection], Result]) -> Result:
        """Do with `run` what writes nothing, and repeat it like `read`."""
        return await self._repeat(partial(self.run, work))

    async def run(self, work: Callable[[Connection], Result]) -> Result:
        """Call a function that uses the connection of the running transaction, or else one of its own in autocommit.

        Connecting, all statements and closing take one greenlet. An `AsyncSession` takes one for each step, and twice
        the time.

        Raises:
            DomainError, ConcurrentUseError: see `session`.
        """
        unit = self._current.get()
        with translate_errors():
            if unit is not None and unit.open:
                with unit.in_use():
                    return await unit.session.run_sync(lambda session: work(session.connection()))
            return await greenlet_spawn(self._run_in_autocommit, work)

    def _run_in_autocommit(self, work: Callable[[Connection], Result]) -> Result:
        with self.engine.sync_engine.connect() as connection:
            return work(connection)

    async def _repeat(self, attempt: Callable[[], Awaitable[Result]]) -> Result:
        try:
            return await attempt()
        except UnavailableError as error:
            if self.in_transaction or not is_stale(error.__cause__):
                raise
        return await attempt()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """Make all repository calls inside one transaction; a nested one is a savepoint.

        Commits on a clean exit, rolls back on any exception, cancellation included.

        Raises:
            FailedTransactionError: at a clean exit, if a statement has failed inside and its error was caught.
        """
        outer = self._current.get()
        with translate_statement_errors():
            if outer is not None and outer.open:
                async with self.session() as session:
                    await session.connection()  # so that a failure to connect is translated
                async with outer.nested() as inner, self._make_current(inner):
                    yield
            else:
                async with UnitOfWork.begin(self._transaction_sessions) as work, self._make_current(work):
                    yield

    @contextmanager
    def outside_transaction(self) -> Iterator[None]:
        """Leave the running transaction: a task that starts inside this block gets its own session."""
        token = self._current.set(None)
        try:
            yield
        finally:
            self._current.reset(token)

    def _record_failure(self, context: ExceptionContext) -> None:
        work = self._current.get()
        if work is not None and work.open:
            error = context.sqlalchemy_exception or context.original_exception
            work.record_failure(error, connection_lost=context.is_disconnect)

    @asynccontextmanager
    async def _make_current(self, work: UnitOfWork) -> AsyncIterator[None]:
        token = self._current.set(work)
        try:
            yield
        finally:
            self._current.reset(token)
