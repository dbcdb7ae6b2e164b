"""One pool for two kinds of work: single statements in autocommit, and transactions that are opened by name.

Reads and one-statement writes send no BEGIN, COMMIT or ROLLBACK; a transaction does, on a connection of the same pool.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import TypeVar

from sqlalchemy import URL, event
from sqlalchemy.engine.interfaces import ExceptionContext
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from src.domain.exceptions import UnavailableError
from src.infrastructure.databases.connections import close_returned, look_after
from src.infrastructure.databases.dialects import DatabaseOptions, engine_options, is_postgresql, transaction_isolation
from src.infrastructure.databases.errors import is_stale, translated_errors, translated_statement_errors
from src.infrastructure.databases.unit_of_work import UnitOfWork

Result = TypeVar("Result")


class Database:
    def __init__(self, url: URL, options: DatabaseOptions | None = None) -> None:
        self.options = options or DatabaseOptions()
        self.engine = create_async_engine(
            url,
            hide_parameters=True,  # errors are logged, values are secrets
            isolation_level="AUTOCOMMIT",
            pool_reset_on_return=None,  # in autocommit there is nothing to roll back; transactions end themselves
            **engine_options(url, self.options),
        )
        if is_postgresql(url):
            look_after(self.engine.sync_engine, silence=self.options.connect_timeout)
        self._statements = async_sessionmaker(self.engine, autoflush=False, expire_on_commit=False)
        self._transactions = async_sessionmaker(
            self.engine.execution_options(isolation_level=transaction_isolation(url)),
            autoflush=False,
            expire_on_commit=False,
        )
        self._current: ContextVar[UnitOfWork | None] = ContextVar("unit_of_work", default=None)
        event.listen(self.engine.sync_engine, "handle_error", self._note_failure)

    async def close(self) -> None:
        """Closes what is idle, what is in use when it comes back; waits for nobody. A later call connects anew."""
        pool = self.engine.sync_engine.pool
        await self.engine.dispose()
        close_returned(pool)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """The session of the running transaction, or one in autocommit that is gone afterwards.

        Raises a `DomainError` for what the database refuses, `ConcurrentUseError` for a second call at once.
        """
        work = self._current.get()
        with translated_errors():
            if work is not None and work.open:
                with work.in_use():
                    yield work.session
            else:
                async with self._statements() as session:
                    yield session

    async def read(self, query: Callable[[AsyncSession], Awaitable[Result]]) -> Result:
        """Runs a query that writes nothing; outside a transaction, once more if its connection had become useless."""
        try:
            async with self.session() as session:
                return await query(session)
        except UnavailableError as error:
            if self._in_transaction() or not is_stale(error.__cause__):
                raise
        async with self.session() as session:
            return await query(session)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """Makes every repository call inside one transaction; nested, a savepoint.

        Commits on a clean exit; any exception, cancellation included, rolls back.
        Raises `FailedTransactionError` instead of a clean exit after a statement that failed.
        """
        outer = self._current.get()
        with translated_statement_errors():
            if outer is not None and outer.open:
                async with self.session() as session:
                    await session.connection()  # so that a failure to connect is translated
                async with outer.nested() as inner, self._entered(inner):
                    yield
            else:
                async with UnitOfWork.begin(self._transactions) as work, self._entered(work):
                    yield

    @contextmanager
    def outside_transaction(self) -> Iterator[None]:
        """Work that is started inside gets sessions of its own, whatever transaction is running."""
        token = self._current.set(None)
        try:
            yield
        finally:
            self._current.reset(token)

    def _note_failure(self, context: ExceptionContext) -> None:
        work = self._current.get()
        if work is not None and work.open:
            error = context.sqlalchemy_exception or context.original_exception
            work.failed(error, connection_lost=context.is_disconnect)

    def _in_transaction(self) -> bool:
        work = self._current.get()
        return work is not None and work.open

    @asynccontextmanager
    async def _entered(self, work: UnitOfWork) -> AsyncIterator[None]:
        token = self._current.set(work)
        try:
            yield
        finally:
            self._current.reset(token)
