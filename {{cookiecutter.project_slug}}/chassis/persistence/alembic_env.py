"""The body of `migrations/env.py`, which Alembic runs for every command that needs a database or writes SQL for one."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from alembic import context
from sqlalchemy import URL, Connection, MetaData, func, select

from chassis.persistence.autogenerate import compare_server_default, render_item
from chassis.persistence.engine import create_migration_engine

MIGRATION_LOCK = int.from_bytes(b"alembic")  # any number, as long as all instances use the same
LOCK_TIMEOUT = "10s"
UNTIL_COMMIT = True

log = logging.getLogger("alembic.env")


def run_migrations(metadata: MetaData, get_url: Callable[[], URL]) -> None:
    """Run the command of Alembic's configuration; its `attributes` may give a `connection` or a `url`.

    Without either, for Alembic's own command line, `get_url` is called.
    """
    url = context.config.attributes.get("url")
    connection = context.config.attributes.get("connection")
    if context.is_offline_mode():
        _write_sql(metadata, url or get_url())
    elif connection is not None:
        _run_on(connection, metadata)
    else:
        asyncio.run(_connect_and_run(metadata, url or get_url()))


def _write_sql(metadata: MetaData, url: URL) -> None:
    dialect_options = {"paramstyle": "named"}
    _configure(metadata, url.get_backend_name(), url=url, literal_binds=True, dialect_opts=dialect_options)
    with context.begin_transaction():
        context.run_migrations()


async def _connect_and_run(metadata: MetaData, url: URL) -> None:
    async with create_migration_engine(url).connect() as connection:
        await connection.run_sync(_run_on, metadata)


def _run_on(connection: Connection, metadata: MetaData) -> None:
    """Execute nothing before `configure`, or Alembic would leave the commit to whoever began the transaction."""
    _configure(metadata, connection.dialect.name, connection=connection)
    with context.begin_transaction():
        changes_schema = "destination_rev" in context.get_context().opts  # upgrade, downgrade, stamp
        if changes_schema and connection.dialect.name == "postgresql":
            _lock(connection)
        context.run_migrations()


def _configure(metadata: MetaData, dialect: str, **options: Any) -> None:
    """All revisions run in one transaction: a failure halfway leaves the database as it was.

    On SQLite, too, where the engine begins one; Alembic assumes that SQLite has no transactional DDL.
    """
    context.configure(
        target_metadata=metadata,
        compare_server_default=compare_server_default,
        render_item=render_item,
        render_as_batch=dialect == "sqlite",
        transactional_ddl=True if dialect == "sqlite" else None,
        **options,
    )


def _lock(connection: Connection) -> None:
    """Let one instance migrate; the others wait here, then read the revision and find nothing to do.

    Afterwards no lock is waited for longer than `LOCK_TIMEOUT`: while an ALTER TABLE waits for one slow query,
    every later query of that table waits behind it, so it is better to change nothing and try again.
    `-x lock_timeout=60s` waits longer, `-x lock_timeout=0` forever.

    The lock ends with the transaction, so an `autocommit_block()` (CREATE INDEX CONCURRENTLY) is not protected.
    """
    for timeout in ("statement_timeout", "idle_in_transaction_session_timeout"):  # the role may have its own
        connection.execute(select(func.set_config(timeout, "0", UNTIL_COMMIT)))
    if not connection.scalar(select(func.pg_try_advisory_xact_lock(MIGRATION_LOCK))):
        log.info("Another instance is migrating this database, waiting for it")
        connection.execute(select(func.pg_advisory_xact_lock(MIGRATION_LOCK)))
    timeout = context.get_x_argument(as_dictionary=True).get("lock_timeout", LOCK_TIMEOUT)
    connection.execute(select(func.set_config("lock_timeout", timeout, UNTIL_COMMIT)))
