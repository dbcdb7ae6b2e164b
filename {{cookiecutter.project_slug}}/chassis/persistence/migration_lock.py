"""One instance migrates at a time; the others wait, then read the revision of the database and find nothing to do.

The lock belongs to the connection that migrates, so PostgreSQL releases it when the process is killed.
"""

import asyncio
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, column, func, select, table

MIGRATION_LOCK = int.from_bytes(b"alembic")  # any number, as long as all instances use the same
POLL_SECONDS = 0.5

log = logging.getLogger("alembic.env")


@contextmanager
def lock_session(connection: Connection, settings: Mapping[str, str]) -> Iterator[None]:
    """Hold the lock, with these settings of PostgreSQL, through all transactions and autocommit blocks of the session.

    The session has its own settings again afterwards, because the connection may belong to a pool.
    """
    _poll(connection, func.pg_try_advisory_lock)
    _apply(connection, settings, until_commit=False)
    connection.commit()
    try:
        yield
    finally:
        if not connection.invalidated:
            connection.rollback()
            connection.execute(select(func.pg_advisory_unlock(MIGRATION_LOCK)))
            _reset(connection, settings)
            connection.commit()


def lock_transaction(connection: Connection, settings: Mapping[str, str]) -> None:
    """Hold the lock until the end of a transaction: of the running one, which belongs to the caller, or of a new one.

    PgBouncer gives a session to others at the end of each transaction, so nothing may be left in it.
    """
    if connection.in_transaction():
        _apply(connection, settings, until_commit=True)  # first, because the role may have a timeout
        connection.execute(select(func.pg_advisory_xact_lock(MIGRATION_LOCK)))
    else:
        _poll(connection, func.pg_try_advisory_xact_lock)
        _apply(connection, settings, until_commit=True)


def sleep(connection: Connection, seconds: float) -> None:
    """Pause without blocking the event loop of the connection."""
    adapted: Any = connection.connection.dbapi_connection
    adapted.run_async(lambda _: asyncio.sleep(seconds))


def _poll(connection: Connection, try_lock: Any) -> None:  # noqa: ANN401 - a function of SQL
    """Wait outside of transactions: CREATE INDEX CONCURRENTLY waits for running statements, so none may wait for it."""
    if connection.scalar(select(try_lock(MIGRATION_LOCK))):
        return
    log.info("Another instance is migrating this database, waiting for it")
    while True:
        connection.rollback()
        sleep(connection, POLL_SECONDS)
        if connection.scalar(select(try_lock(MIGRATION_LOCK))):
            return


def _apply(connection: Connection, settings: Mapping[str, str], *, until_commit: bool) -> None:
    for name, value in settings.items():
        connection.execute(select(func.set_config(name, value, until_commit)))


def _reset(connection: Connection, settings: Mapping[str, str]) -> None:
    reset = func.set_config(column("name"), column("reset_val"), False)  # noqa: FBT003 - the signature in PostgreSQL
    connection.execute(select(reset).select_from(table("pg_settings")).where(column("name").in_(settings)))
