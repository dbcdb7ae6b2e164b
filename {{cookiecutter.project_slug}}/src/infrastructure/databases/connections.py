"""What the pool does not know by itself: which of its PostgreSQL connections are dead, and when to let go of one.

A connection that works is never asked whether it does; only after a refused value something is sent on it.
"""

import socket
from contextlib import suppress
from functools import partial
from typing import Any

import asyncpg
from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection, ExceptionContext
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import ConnectionPoolEntry, Pool

_ASYNCPG_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError)
_READ_ONLY = "25006"  # what was the primary when we connected, is no longer


def look_after(engine: Engine, *, silence: float) -> None:
    """Gives up connections of this engine as soon as it can be known that they are dead.

    `silence` is how many seconds the other end may leave without an acknowledgement what was sent to it.
    """
    event.listen(engine, "connect", partial(_prepare, silence=silence), insert=True)
    event.listen(engine, "close", _hang_up)
    event.listen(engine, "handle_error", _give_up)
    event.listen(engine, "handle_error", _end_statement)
    event.listen(engine, "handle_error", _leave_out_the_row)


def close_returned(pool: Pool) -> None:
    """What this pool has lent is closed when it comes back, not when the garbage is collected."""
    event.listen(pool, "checkin", lambda connection, record: record.close() if connection else None)


def _prepare(connection: DBAPIConnection, record: ConnectionPoolEntry, *, silence: float) -> None:
    """A connection that is closed while it is idle is replaced when somebody wants it, before anything is sent."""

    def closed(_: object) -> None:
        if record.dbapi_connection is connection:
            record.invalidate(soft=True)

    driver_connection = connection.driver_connection
    driver_connection.add_termination_listener(closed)
    transport = driver_connection._transport  # noqa: SLF001 - asyncpg has no option for what follows
    _notice_silence(transport.get_extra_info("socket"), silence)


def _notice_silence(connection: socket.socket | None, seconds: float) -> None:
    """The kernel gives up a connection over which nothing comes back, also one that nobody uses.

    Of itself it tries for a quarter of an hour, and says nothing about one that is idle:
    https://man7.org/linux/man-pages/man7/tcp.7.html
    """
    if connection is None or connection.family not in (socket.AF_INET, socket.AF_INET6):
        return  # closed, or a Unix socket
    whole_seconds = max(1, round(seconds))
    options = {"TCP_KEEPIDLE": whole_seconds, "TCP_KEEPINTVL": whole_seconds, "TCP_USER_TIMEOUT": round(seconds * 1000)}
    with suppress(OSError, ValueError):  # closed again already, which its first user will notice
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in options.items():
            if hasattr(socket, name):  # not every system has them all
                connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _hang_up(connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
    """An idle connection is ended without a farewell: that would wait for a server that may be gone."""
    if not record.in_use:  # else a statement may be running, and closing cancels it
        connection.driver_connection.terminate()


def _terminate(connection: Connection | None) -> None:
    if connection and not connection.invalidated and connection.connection.driver_connection:
        connection.connection.driver_connection.terminate()


def _give_up(context: ExceptionContext) -> OperationalError | None:
    """Takes for a lost connection, with all of its age, what SQLAlchemy does not."""
    error = context.original_exception
    if isinstance(error, OSError):  # in the end also its `command_timeout`; at COMMIT it would pass as it is
        context.is_disconnect = context.invalidate_pool_on_disconnect = True
        _terminate(context.connection)
        return OperationalError(context.statement, None, error, connection_invalidated=True)
    protocol_is_broken = isinstance(error.__cause__, asyncpg.InternalClientError)
    if protocol_is_broken or getattr(error, "sqlstate", None) == _READ_ONLY:
        context.is_disconnect = True
    return None


def _end_statement(context: ExceptionContext) -> None:
    """asyncpg has a statement parsed, then looks at the values, and sends nothing more if it refuses one.

    The statement would hold its locks until somebody uses the connection again, and tell them that it took too long.
    """
    error = context.original_exception.__cause__
    refused_here = isinstance(error, _ASYNCPG_ERRORS) and getattr(error, "severity", None) is None
    if not refused_here or context.connection is None or context.connection.invalidated:
        return
    adapted: Any = context.connection.connection.dbapi_connection
    try:
        adapted.run_async(_end_implicit_transaction)
    except asyncpg.InFailedSQLTransactionError:
        return  # that ends the statement, too
    except (OSError, *_ASYNCPG_ERRORS):
        _terminate(context.connection)


async def _end_implicit_transaction(connection: asyncpg.Connection) -> None:
    await connection.execute("SELECT 1")


def _leave_out_the_row(context: ExceptionContext) -> None:
    """DETAIL quotes values, which the log must not have: "Failing row contains (1, secret)". `orig.detail` keeps it."""
    cause = context.original_exception.__cause__
    if isinstance(cause, asyncpg.PostgresError):
        cause.detail = None
