"""All that differs between databases: PostgreSQL over asyncpg is what we serve on, others run the same code."""

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from sqlalchemy import URL, Connection, Engine, Table, event, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError

from src.infrastructure.databases.gate_name import open_name
from src.infrastructure.databases.pgbouncer import MARK, session_arguments, through_pgbouncer

_ASYNC_DRIVERS = {
    "postgresql": "asyncpg",
    "postgres": "asyncpg",
    "sqlite": "aiosqlite",
}
PARAMETERS = (  # of a URL: what `asyncpg.connect` takes as text, and what is translated
    *("host", "port", "ssl", "sslmode", "target_session_attrs", "passfile", "service", "servicefile"),
    *("krbsrvname", "gsslib", "prepared_statement_cache_size", MARK),
)
_INSTEAD = {  # of those that libpq has
    "application_name": "set SERVICE_NAME",
    "channel_binding": "leave it out, asyncpg has none; sslmode=verify-full makes sure of the server",
    "connect_timeout": "set DATABASE_CONNECT_TIMEOUT",
    "options": "ALTER ROLE … SET gives settings to the role",
    "sslrootcert": "put the path into the environment, PGSSLROOTCERT",
    "sslcert": "put the path into the environment, PGSSLCERT",
    "sslkey": "put the path into the environment, PGSSLKEY",
}


@dataclass(frozen=True, kw_only=True)
class DatabaseOptions:
    """All timeouts in seconds."""

    application_name: str = "service"
    pool_size: int = 10
    pool_timeout: float = 5.0
    connect_timeout: float = 2.0
    statement_timeout: float = 10.0
    idle_in_transaction_timeout: float = 60.0


def parse_url(value: str) -> URL:
    """Makes a database URL one for asyncio: `postgres(ql)://` → `postgresql+asyncpg://`, `sslmode` → `ssl`.

    Raises:
        ValueError: it is no URL, or of a database or driver that this service cannot use,
            or has a parameter with which no connection would ever succeed.
    """
    try:
        url = make_url(value)
    except ArgumentError:
        msg = "is no database URL, expected postgresql://user:password@host:5432/database"
        raise ValueError(msg) from None
    name, _, driver = url.drivername.partition("+")
    wanted = _ASYNC_DRIVERS.get(name)
    if wanted is None or driver not in ("", wanted):
        msg = f"has the scheme {url.drivername}://, expected postgresql://user:password@host:5432/database"
        raise ValueError(msg)
    if find_spec(wanted) is None:
        msg = f"needs the package {wanted}, which is not installed"
        raise ValueError(msg)
    url = url.set(drivername=f"{'postgresql' if name == 'postgres' else name}+{wanted}")
    if wanted == "asyncpg":
        _refuse_unknown_parameters(url)
    if wanted == "asyncpg" and "sslmode" in url.query:
        url = url.update_query_dict({"ssl": url.query["sslmode"]}).difference_update_query(["sslmode"])
    through_pgbouncer(url)
    return url


def _refuse_unknown_parameters(url: URL) -> None:
    for name in url.query:
        if name not in PARAMETERS:
            instead = _INSTEAD.get(name, f"known are {', '.join(PARAMETERS)}")
            msg = f"has the parameter {name}, which is not understood: {instead}"
            raise ValueError(msg)


def engine_options(url: URL, options: DatabaseOptions) -> dict[str, Any]:
    """Arguments of `create_async_engine` for the database of this URL."""
    if url.get_backend_name() == "sqlite":
        return {"connect_args": {"timeout": options.pool_timeout}}  # a write waits for another
    pool = {"pool_size": options.pool_size, "max_overflow": 0, "pool_timeout": options.pool_timeout}
    if url.get_backend_name() != "postgresql":
        return pool
    server_settings = {
        # A transaction forgotten by a bug must not hold its locks.
        "idle_in_transaction_session_timeout": str(int(options.idle_in_transaction_timeout * 1000)),
        "jit": "off",  # asyncpg's own catalogue queries take seconds with it
        "statement_timeout": str(int(options.statement_timeout * 1000)),
        # What the network has cut off from us, or killed, must not go on occupying one of its connections for hours.
        "tcp_keepalives_idle": "10",
        "tcp_keepalives_interval": "5",
        "tcp_keepalives_count": "3",
    }
    connect_args = {
        "timeout": options.connect_timeout,
        # Where the server does not end a statement in time, it cannot be reached any more.
        "command_timeout": options.statement_timeout + 1 if options.statement_timeout else None,
        **session_arguments(url, options.application_name[:63], **server_settings),
    }
    return pool | {"connect_args": connect_args}


def control_connection_arguments(url: URL, options: DatabaseOptions) -> dict[str, Any]:
    """Arguments of `asyncpg.connect` for a connection outside of the pool, to the same database."""
    _, given = url.get_dialect()().create_connect_args(url)
    session = session_arguments(url, open_name(options.application_name), statement_timeout="1000")
    arguments = {**given, **session, "statement_cache_size": 0}
    for name in ("prepared_statement_cache_size", "prepared_statement_name_func", "async_creator_fn", MARK):
        arguments.pop(name, None)  # SQLAlchemy's own, and ours
    return arguments


def transaction_isolation(url: URL) -> str:
    return "SERIALIZABLE" if url.get_backend_name() == "sqlite" else "READ COMMITTED"


def is_postgresql(url: URL) -> bool:
    return url.get_backend_name() == "postgresql"


def upsert(url: URL, table: Table) -> postgresql.Insert | sqlite.Insert:
    """An INSERT that knows `on_conflict_do_update`."""
    return sqlite.insert(table) if url.get_backend_name() == "sqlite" else postgresql.insert(table)


@event.listens_for(Engine, "connect")
def _check_foreign_keys_of_sqlite(connection: DBAPIConnection, _record: object) -> None:
    if type(connection).__module__.endswith("aiosqlite"):
        cursor = connection.cursor()
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()


@event.listens_for(Engine, "begin")
def _begin_transaction_of_sqlite(connection: Connection) -> None:
    """Python's driver begins at the first write only, which makes a first savepoint commit when it is released.

    Source: https://docs.sqlalchemy.org/en/latest/dialects/sqlite.html#pysqlite-serializable
    """
    if connection.dialect.name != "sqlite":
        return
    driver_connection: Any = connection.connection.dbapi_connection
    if driver_connection.isolation_level is not None:  # None is autocommit
        connection.exec_driver_sql("BEGIN IMMEDIATE")
