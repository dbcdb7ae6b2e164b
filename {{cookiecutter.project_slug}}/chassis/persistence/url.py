"""Database URLs are checked at start-up, because a mistake in one would otherwise show as a failed connection."""

from importlib.util import find_spec

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from chassis.persistence.pgbouncer import PGBOUNCER_PARAMETER, uses_pgbouncer

EXAMPLE = "postgresql://user:password@host:5432/database"
ASYNC_DRIVERS = {"postgresql": "asyncpg", "postgres": "asyncpg", "sqlite": "aiosqlite"}
PARAMETERS = (  # those that `asyncpg.connect` accepts as text, and those that are translated
    *("host", "port", "ssl", "sslmode", "target_session_attrs", "passfile", "service", "servicefile"),
    *("krbsrvname", "gsslib", "prepared_statement_cache_size", PGBOUNCER_PARAMETER),
)
REPLACEMENTS = {  # for parameters that only libpq has
    "application_name": "set SERVICE_NAME",
    "channel_binding": "leave it out, asyncpg has none; sslmode=verify-full authenticates the server",
    "connect_timeout": "set DATABASE_CONNECT_TIMEOUT",
    "options": "give settings to the role with ALTER ROLE … SET",
    "sslrootcert": "put the path into the environment variable PGSSLROOTCERT",
    "sslcert": "put the path into the environment variable PGSSLCERT",
    "sslkey": "put the path into the environment variable PGSSLKEY",
}


def parse_url(value: str) -> URL:
    """Return the URL with an asyncio driver: `postgres(ql)://` → `postgresql+asyncpg://`, `sslmode` → `ssl`.

    Raises:
        ValueError: the text is not a URL, names a database or driver that this service cannot use,
            or has a parameter with which no connection would ever succeed.
    """
    try:
        url = make_url(value)
    except ArgumentError:
        msg = f"is not a database URL, expected {EXAMPLE}"
        raise ValueError(msg) from None
    url = _with_async_driver(url)
    if url.get_driver_name() == "asyncpg":
        _refuse_unknown_parameters(url)
        if "sslmode" in url.query:
            url = url.update_query_dict({"ssl": url.query["sslmode"]}).difference_update_query(["sslmode"])
    uses_pgbouncer(url)
    return url


def _with_async_driver(url: URL) -> URL:
    name, _, driver = url.drivername.partition("+")
    async_driver = ASYNC_DRIVERS.get(name)
    if async_driver is None or driver not in ("", async_driver):
        msg = f"has the scheme {url.drivername}://, expected {EXAMPLE}"
        raise ValueError(msg)
    if find_spec(async_driver) is None:
        msg = f"needs the package {async_driver}, which is not installed"
        raise ValueError(msg)
    return url.set(drivername=f"{'postgresql' if name == 'postgres' else name}+{async_driver}")


def _refuse_unknown_parameters(url: URL) -> None:
    for name in url.query:
        if name not in PARAMETERS:
            instead = REPLACEMENTS.get(name, f"known are {', '.join(PARAMETERS)}")
            msg = f"has the parameter {name}, which is not understood: {instead}"
            raise ValueError(msg)
