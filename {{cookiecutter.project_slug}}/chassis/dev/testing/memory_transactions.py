"""Transactions of fake repositories: one for all of them, as repositories on one database have."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar

Undo = Callable[[], None]
_transactions: ContextVar[tuple[dict[object, Undo], ...]] = ContextVar("transactions", default=())


@asynccontextmanager
async def memory_transaction() -> AsyncIterator[None]:
    """Undo on any exception what was written inside, by whichever fake repository."""
    undo = dict[object, Undo]()
    token = _transactions.set((*_transactions.get(), undo))
    try:
        yield
    except BaseException:
        for restore in undo.values():
            restore()
        raise
    finally:
        _transactions.reset(token)


def in_memory_transaction() -> bool:
    return bool(_transactions.get())


def before_first_write(writer: object, snapshot: Callable[[], Undo]) -> None:
    """Let each running transaction restore what the writer holds now, unless it has written there before."""
    for undo in _transactions.get():
        if writer not in undo:
            undo[writer] = snapshot()
