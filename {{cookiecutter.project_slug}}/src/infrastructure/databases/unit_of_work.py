"""A running transaction: one session, used by one call at a time, closed before it is committed."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker


class ConcurrentUseError(RuntimeError):
    """A programming error: a transaction is one connection, and that does one thing at a time."""


class FailedTransactionError(RuntimeError):
    """A programming error: where a statement has failed PostgreSQL answers COMMIT with ROLLBACK, and says no more."""


class UnitOfWork:
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
        """A savepoint: what fails inside undoes only its part."""
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
        """Reserves the session for the calling task; the same task may enter again."""
        self._refuse_concurrent_use()
        before, self._user = self._user, asyncio.current_task()
        try:
            yield
        finally:
            self._user = before
            self._released.set()

    def failed(self, error: BaseException, *, connection_lost: bool) -> None:
        """From now on it cannot exit cleanly; no more can those around it, if their connection is gone."""
        self._failure = error
        if connection_lost and self._outer is not None:
            self._outer.failed(error, connection_lost=True)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Ends the unit of work before its transaction ends, so that a straggler gets a session of its own."""
        try:
            yield
            self._refuse_concurrent_use()
            self._refuse_failure()
        finally:
            self.open = False
            await self._cancel_running_call()

    async def _cancel_running_call(self) -> None:
        """A connection can roll back only when nothing else is using it."""
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
