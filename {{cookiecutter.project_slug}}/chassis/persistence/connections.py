"""Dead PostgreSQL connections are replaced without an extra query on those that work.

SQLAlchemy's `pool_pre_ping` would cost a round trip for each call.
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
_READ_ONLY = "25006"  # the server was the primary when we connected, and is a standby now


def handle_dead_connections(engine: Engine, *, silence: float) -> None:
    """Replace connections of this engine as soon as it can be known that they are dead.

    `silence` is the number of seconds after which a connection is dead if the other end acknowledges nothing.
    """
    event.listen(engine, "connect", partial(_observe_connection, silence=silence), insert=True)
    event.listen(engine, "close", terminate_idle)
    event.listen(engine, "handle_error", mark_disconnected)
    event.listen(engine, "handle_error", end_refused_statement)
    event.listen(engine, "handle_error", redact_detail)


def close_on_return(pool: Pool) -> None:
    """Close each connection of this pool when it is returned, without waiting for the garbage collector."""
    event.listen(pool, "checkin", lambda connection, record: record.close() if connection else None)


def _observe_connection(connection: DBAPIConnection, record: ConnectionPoolEntry, *, silence: float) -> None:
    """Make the pool replace a connection that was closed while it was idle, before anything is sent over it."""

    def invalidate(_: object) -> None:
        if record.dbapi_connection is connection:
            record.invalidate(soft=True)

    driver_connection = connection.driver_connection
    driver_connection.add_termination_listener(invalidate)
    transport = driver_connection._transport  # noqa: SLF001 - asyncpg neither shows its socket nor has an option
    _set_keepalive(transport.get_extra_info("socket"), silence)


def _set_keepalive(connection: socket.socket | None, seconds: float) -> None:
    """Let the kernel close a connection over which nothing is acknowledged, an idle one included.

    By default the kernel tries for a quarter of an hour, and does not probe idle connections at all:
    https://man7.org/linux/man-pages/man7/tcp.7.html
    """
    if connection is None or connection.family not in (socket.AF_INET, socket.AF_INET6):
        return  # closed, or a Unix socket
    whole_seconds = max(1, round(seconds))
    options = {"TCP_KEEPIDLE": whole_seconds, "TCP_KEEPINTVL": whole_seconds, "TCP_USER_TIMEOUT": round(seconds * 1000)}
    with suppress(OSError, ValueError):  # already closed again, which its first user will notice
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in options.items():
            if hasattr(socket, name):  # not every system has all of them
                connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def terminate_idle(connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
    """Close an idle connection without a farewell, which would wait for a server that may be gone."""
    if not record.in_use:  # a statement may be running on one in use, and closing cancels it
        connection.driver_connection.terminate()


def mark_disconnected(context: ExceptionContext) -> OperationalError | None:
    """Mark the connection as disconnected for errors that SQLAlchemy does not recognise.

    When the server is gone the whole pool is invalidated.
    """
    error = context.original_exception
    if isinstance(error, OSError):  # includes asyncpg's `command_timeout`; SQLAlchemy does not wrap it at COMMIT
        context.is_disconnect = context.invalidate_pool_on_disconnect = True
        _terminate(context.connection)
        return OperationalError(context.statement, None, error, connection_invalidated=True)
    protocol_is_broken = isinstance(error.__cause__, asyncpg.InternalClientError)
    if protocol_is_broken or getattr(error, "sqlstate", None) == _READ_ONLY:
        context.is_disconnect = True
    return None


def end_refused_statement(context: ExceptionContext) -> None:
    """End the statement on the server after asyncpg has refused one of its values.

    asyncpg lets the server parse a statement before it checks the values, and sends nothing more if it refuses one.
    The statement would hold its locks until the connection is used again, and time out for the next user.
    """
    error = context.original_exception.__cause__
    refused_by_driver = isinstance(error, _ASYNCPG_ERRORS) and getattr(error, "severity", None) is None
    if not refused_by_driver or context.connection is None or context.connection.invalidated:
        return
    adapted: Any = context.connection.connection.dbapi_connection
    try:
        adapted.run_async(_end_implicit_transaction)
    except asyncpg.InFailedSQLTransactionError:
        return  # the error has ended the statement as well
    except (OSError, *_ASYNCPG_ERRORS):
        _terminate(context.connection)


async def _end_implicit_transaction(connection: asyncpg.Connection) -> None:
    await connection.execute("SELECT 1")


def redact_detail(context: ExceptionContext) -> None:
    """Keep values out of the log: PostgreSQL's DETAIL quotes them, "Failing row contains (1, secret)".

    `orig.detail` still has it.
    """
    cause = context.original_exception.__cause__
    if isinstance(cause, asyncpg.PostgresError):
        cause.detail = None


def _terminate(connection: Connection | None) -> None:
    if connection and not connection.invalidated and connection.connection.driver_connection:
        connection.connection.driver_connection.terminate()
