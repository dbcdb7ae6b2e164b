"""Alembic runs this file for every command that looks at a database, or writes SQL for one."""

import asyncio
import logging
from typing import Any, Literal

from alembic import context
from sqlalchemy import JSON, URL, Column, Connection, func, select

from src.config import Config
from src.infrastructure.databases.migrations import migration_engine
from src.infrastructure.models.model_extension import ModelExtension, UTCDateTime

LOCK = int.from_bytes(b"alembic")  # any number, as long as all instances agree on it
LOCK_TIMEOUT = "10s"
LOCAL = True  # to the transaction

log = logging.getLogger("alembic.env")


def database_url() -> URL:
    """The URL that `quart db` gives, or the setting, for Alembic's own command."""
    return context.config.attributes.get("url") or Config.load().SQLALCHEMY_DATABASE_URI


def configure(dialect: str, **where: Any) -> None:
    """All revisions run in one transaction: what fails half-way leaves the database as it was.

    On SQLite, too: `dialects.py` begins one there, which Alembic cannot know.
    """
    context.configure(
        target_metadata=ModelExtension.metadata,
        compare_server_default=compare_server_default,
        render_item=render_item,
        render_as_batch=dialect == "sqlite",
        transactional_ddl=True if dialect == "sqlite" else None,
        **where,
    )


def render_item(kind: str, item: object, _context: object) -> str | Literal[False]:
    """A migration says what the database gets; a type of ours would tie it to code that changes."""
    if kind == "type" and isinstance(item, UTCDateTime):
        return "sa.DateTime(timezone=True)"
    return False


def compare_server_default(
    _context: object,
    _database_column: object,
    column: Column[Any],
    database_default: str | None,
    _default: object,
    default: str | None,
) -> bool | None:
    """JSON by its text; Alembic would ask PostgreSQL, which cannot compare json with json."""
    if not isinstance(column.type, JSON) or database_default is None or default is None:
        return None  # as Alembic does
    return database_default.partition("::")[0] != default


def lock(connection: Connection) -> None:
    """Lets one instance migrate; the others wait here, then read the revision and find it done.

    From then on no lock is waited for longer than `LOCK_TIMEOUT`: while an ALTER TABLE waits for
    one slow query, every later query of that table waits behind it, so better nothing is changed
    and somebody tries again. `-x lock_timeout=60s` waits longer, `-x lock_timeout=0` forever.

    The lock ends with the transaction, so before an `autocommit_block()` (CREATE INDEX
    CONCURRENTLY): let one instance run such a revision.
    """
    for timeout in ("statement_timeout", "idle_in_transaction_session_timeout"):  # whatever the role is given
        connection.execute(select(func.set_config(timeout, "0", LOCAL)))
    if not connection.scalar(select(func.pg_try_advisory_xact_lock(LOCK))):
        log.info("Another instance is migrating this database, waiting for it")
        connection.execute(select(func.pg_advisory_xact_lock(LOCK)))
    timeout = context.get_x_argument(as_dictionary=True).get("lock_timeout", LOCK_TIMEOUT)
    connection.execute(select(func.set_config("lock_timeout", timeout, LOCAL)))


def run(connection: Connection) -> None:
    """Nothing may be executed before `configure`: Alembic would take the transaction for another's,
    and leave its commit to them.
    """
    configure(connection.dialect.name, connection=connection)
    with context.begin_transaction():
        changes = "destination_rev" in context.get_context().opts  # upgrade, downgrade, stamp
        if changes and connection.dialect.name == "postgresql":
            lock(connection)
        context.run_migrations()


async def connect_and_run() -> None:
    async with migration_engine(database_url()).connect() as connection:
        await connection.run_sync(run)


def write_sql() -> None:
    url = database_url()
    configure(url.get_backend_name(), url=url, literal_binds=True, dialect_opts={"paramstyle": "named"})
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    write_sql()
elif "connection" in context.config.attributes:
    run(context.config.attributes["connection"])
else:
    asyncio.run(connect_and_run())
