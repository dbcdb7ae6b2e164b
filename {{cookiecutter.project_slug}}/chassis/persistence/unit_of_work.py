"""A running transaction is one session, and one call at a time may use it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker


class ConcurrentUseError(RuntimeError):
    """A programming error: a transaction has one connection, which does one thing at a time."""


class FailedTransactionError(RuntimeError):
    """A programming error: after a failed statement PostgreSQL answers COMMIT with ROLLBACK, without an error."""


class UnitOfWork:
    """Keeps the session of a transaction; `open` is true until it ends, and later calls get sessions of their own."""

    def __init__(self, session: AsyncSession, outer: "UnitOfWork | None" = None) -> None:
        self.session = session
        self.open = True
        self._outer = outer
        self._failure: BaseException | None = None
        self._owner = asyncio.current_task()
        self._inner: UnitOfWork | None = None
        self._user: asyncio.Task[object] | None = None
        self._released = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def begin(cls, sessions: async_sessionmaker[AsyncSession]) -> AsyncIterator["UnitOfWork"]:
        async with sessions() as session, session.begin():
            work = cls(session)
            async with work.running():
                yield work

    @asynccontextmanager
    async def nested(self) -> AsyncIterator["UnitOfWork"]:
        """Open a savepoint: a failure inside rolls back to it and no further."""
        if asyncio.current_task() is not self._owner:
            msg = "A nested transaction can be opened only by the task that opened the outer one."
            raise ConcurrentUseError(msg)
        self._refuse_concurrent_use()
        self._inner = UnitOfWork(self.session, self)
        try:
            async with self.session.begin_nested(), self._inner.running():
                yield self._inner
        finally:
            self._inner = None

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Reserve the session for the calling task; the same task may enter again."""
        self._refuse_concurrent_use()
        before, self._user = self._user, asyncio.current_task()
        try:
            yield
        finally:
            self._user = before
            self._released.set()

    def record_failure(self, error: BaseException, *, connection_lost: bool) -> None:
        """Prevent a clean exit of this transaction; also of those around it, if their connection is lost."""
        self._failure = error
        if connection_lost and self._outer is not None:
            self._outer.record_failure(error, connection_lost=True)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """End the unit of work before its transaction, so that a late call gets a session of its own."""
        try:
            yield
            self._refuse_concurrent_use()
            self._refuse_failure()
        finally:
            self.open = False
            await self._cancel_running_call()

    async def _cancel_running_call(self) -> None:
        """Free the connection, which can roll back only when nothing else is using it."""
        while self._user is not None:
            self._released.clear()
            self._user.cancel()
            await self._released.wait()

    def _refuse_failure(self) -> None:
        if self._failure is not None:
            msg = (
                "A statement failed inside this transaction and its error was caught there, so all of it is rolled "
                "back: let the error leave the transaction, or put what may fail into a nested one, "
                "`async with transaction()`, and catch the error outside of that."
            )
            raise FailedTransactionError(msg) from self._failure

    def _refuse_concurrent_use(self) -> None:
        if self._inner is not None:
            msg = "This transaction has an open nested transaction: use that one, or wait until it has ended."
            raise ConcurrentUseError(msg)
        if self._user not in (None, asyncio.current_task()):
            msg = (
                "Two calls at once inside one transaction: await them one after the other, "
                "or make them outside of the transaction to run in parallel."
            )
            raise ConcurrentUseError(msg)
