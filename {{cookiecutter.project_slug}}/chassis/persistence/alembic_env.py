"""The body of `migrations/env.py`, which Alembic runs for every command that needs a database or writes SQL for one."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn

from alembic import context
from alembic.util import CommandError
from sqlalchemy import URL, Connection, MetaData

from chassis.persistence.autogenerate.options import autogenerate_options
from chassis.persistence.engine import create_migration_engine
from chassis.persistence.lock_patience import LockLimits
from chassis.persistence.lock_retries import LockRetries
from chassis.persistence.migration_lock import lock_session, lock_transaction
from chassis.persistence.pgbouncer import uses_pgbouncer


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
    limits = LockLimits.from_arguments(context.get_x_argument(as_dictionary=True))
    retries = LockRetries(connection, limits)
    _configure(metadata, connection.dialect.name, connection=connection, on_version_apply=retries.finish_revision)
    changes_schema = "destination_rev" in context.get_context().opts  # upgrade, downgrade, stamp
    if not changes_schema or connection.dialect.name != "postgresql":
        with context.begin_transaction():
            context.run_migrations()
    elif connection.in_transaction():
        lock_transaction(connection, limits.settings)
        context.run_migrations()
    elif uses_pgbouncer(connection.engine.url):
        context.get_context().autocommit_block = _refuse_autocommit  # type: ignore[method-assign]
        retries.run(prepare=partial(lock_transaction, connection, limits.settings))
    else:
        with lock_session(connection, limits.settings):
            retries.run()


def _refuse_autocommit() -> NoReturn:
    msg = "An autocommit_block() needs a session of its own: give the address of PostgreSQL, not that of PgBouncer."
    raise CommandError(msg)


def _configure(metadata: MetaData, dialect: str, **options: Any) -> None:
    """All revisions run in one transaction: a failure halfway leaves the database as it was.

    On SQLite, too, where the engine begins one; Alembic assumes that SQLite has no transactional DDL.
    """
    context.configure(
        target_metadata=metadata,
        **autogenerate_options(metadata, options.get("connection")),
        render_as_batch=dialect == "sqlite",
        transactional_ddl=True if dialect == "sqlite" else None,
        **options,
    )
