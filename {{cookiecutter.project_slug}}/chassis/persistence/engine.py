"""Every engine is made here, so that no connection is without timeouts."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import URL, NullPool, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from chassis.persistence.connections import handle_dead_connections
from chassis.persistence.dialects import is_postgresql, is_sqlite, transaction_isolation
from chassis.persistence.pgbouncer import PGBOUNCER_PARAMETER, remove_pgbouncer_parameter, session_arguments
from chassis.persistence.sqlite import adapt_sqlite

MAX_APPLICATION_NAME = 63  # bytes that PostgreSQL keeps
SQLALCHEMY_ARGUMENTS = ("prepared_statement_cache_size", "prepared_statement_name_func", "async_creator_fn")


@dataclass(frozen=True, kw_only=True)
class DatabaseOptions:
    """All timeouts are in seconds; 0 switches off the timeouts of statements and of idle transactions."""

    application_name: str = "service"
    pool_size: int = 10
    pool_timeout: float = 5.0
    connect_timeout: float = 2.0
    statement_timeout: float = 10.0
    idle_in_transaction_timeout: float = 60.0


def create_service_engine(url: URL, options: DatabaseOptions) -> AsyncEngine:
    """Make an engine with a pool, in autocommit; transactions use `execution_options(isolation_level=…)` of it."""
    # There is nothing to roll back in autocommit, and transactions end by themselves: no reset on return.
    pool: dict[str, Any] = {"pool_reset_on_return": None}
    if not is_sqlite(url):
        pool |= {"pool_size": options.pool_size, "max_overflow": 0, "pool_timeout": options.pool_timeout}
    engine = _create_engine(url, options, foreign_keys=True, isolation_level="AUTOCOMMIT", **pool)
    if is_postgresql(url):
        handle_dead_connections(engine.sync_engine, silence=options.connect_timeout)
    return engine


def create_migration_engine(url: URL) -> AsyncEngine:
    """Make an engine without a pool, with real transactions and without the timeouts that protect requests."""
    options = DatabaseOptions(
        application_name="migrations", connect_timeout=10, statement_timeout=0, idle_in_transaction_timeout=0
    )
    isolation_level = transaction_isolation(url)
    return _create_engine(url, options, foreign_keys=False, isolation_level=isolation_level, poolclass=NullPool)


def control_connection_arguments(url: URL, application_name: str) -> dict[str, Any]:
    """Return arguments of `asyncpg.connect` for a connection outside the pool, to the same database."""
    _, arguments = url.get_dialect()().create_connect_args(url)
    for name in (*SQLALCHEMY_ARGUMENTS, PGBOUNCER_PARAMETER):
        arguments.pop(name, None)
    session = session_arguments(url, application_name, statement_timeout="1000")
    session.pop("prepared_statement_cache_size", None)
    return {**arguments, **session, "statement_cache_size": 0}


def _create_engine(url: URL, options: DatabaseOptions, *, foreign_keys: bool, **engine_options: Any) -> AsyncEngine:
    engine = create_async_engine(
        url,
        hide_parameters=True,  # errors are logged, and values may be secrets
        connect_args=_connect_arguments(url, options),
        **engine_options,
    )
    if is_sqlite(url):
        adapt_sqlite(engine.sync_engine, foreign_keys=foreign_keys)
    else:
        event.listen(engine.sync_engine, "do_connect", remove_pgbouncer_parameter)
    return engine


def _connect_arguments(url: URL, options: DatabaseOptions) -> dict[str, Any]:
    if is_sqlite(url):
        return {"timeout": options.pool_timeout}  # how long a write waits for another one
    if not is_postgresql(url):
        return {}
    server_settings = {
        "idle_in_transaction_session_timeout": _milliseconds(options.idle_in_transaction_timeout),
        "jit": "off",  # with it, asyncpg's own catalogue queries take seconds
        "statement_timeout": _milliseconds(options.statement_timeout),
        # The server frees a connection within 25 seconds after the network or a crash has cut off the client.
        "tcp_keepalives_idle": "10",
        "tcp_keepalives_interval": "5",
        "tcp_keepalives_count": "3",
    }
    return {
        "timeout": options.connect_timeout,
        # A server that does not cancel a statement in time cannot be reached any more.
        "command_timeout": options.statement_timeout + 1 if options.statement_timeout else None,
        **session_arguments(url, options.application_name[:MAX_APPLICATION_NAME], **server_settings),
    }


def _milliseconds(seconds: float) -> str:
    return str(int(seconds * 1000))
