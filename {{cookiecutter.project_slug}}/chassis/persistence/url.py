"""Database URLs are checked at start-up, because a mistake in one would otherwise show as a failed connection.

No error shows a part of the value: an `@` in a password moves the rest of it into another part of the URL.
"""

import re
from collections.abc import Iterator
from importlib.util import find_spec
from ipaddress import ip_address

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from chassis.persistence.pgbouncer import PGBOUNCER_PARAMETER, uses_pgbouncer

EXAMPLE = "postgresql://user:password@host:5432/database"
ESCAPES = "write @ : / % # ? in user and password as %40 %3A %2F %25 %23 %3F"
ASYNC_DRIVERS = {"postgresql": "asyncpg", "postgres": "asyncpg", "sqlite": "aiosqlite"}
PARAMETERS = (  # those that `asyncpg.connect` accepts as text, and those that are translated
    *("host", "port", "ssl", "sslmode", "target_session_attrs", "passfile", "service", "servicefile"),
    *("krbsrvname", "gsslib", "prepared_statement_cache_size", PGBOUNCER_PARAMETER),
)
SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
VALUES = {  # of those parameters that have only a few; asyncpg refuses others at each connection
    "ssl": SSL_MODES,
    "sslmode": SSL_MODES,
    "target_session_attrs": ("any", "primary", "standby", "prefer-standby", "read-write", "read-only"),
    "gsslib": ("gssapi", "sspi"),
}
REPLACEMENTS = {  # for parameters that only libpq has
    "application_name": "set SERVICE_NAME",
    "channel_binding": "leave it out, asyncpg has none; sslmode=verify-full authenticates the server",
    "connect_timeout": "set DATABASE_CONNECT_TIMEOUT",
    "options": "give settings to the role with ALTER ROLE … SET",
    "sslrootcert": "put the path into the environment variable PGSSLROOTCERT",
    "sslcert": "put the path into the environment variable PGSSLCERT",
    "sslkey": "put the path into the environment variable PGSSLKEY",
}
_BEFORE_HOST = re.compile(r"[\w+]+://(?:[^:/]*(?::[^@]*)?@)?")  # as SQLAlchemy divides a URL
_HOST_NAME = re.compile(r"[\w.-]+")
_PORT = re.compile(r":\d+$")
_UNDECODABLE = re.compile("[\0\N{REPLACEMENT CHARACTER}]")


def parse_url(value: str) -> URL:
    """Return the URL with an asyncio driver: `postgres(ql)://` → `postgresql+asyncpg://`, `sslmode` → `ssl`.

    Raises:
        ValueError: the text is not a URL, names a database or driver that this service cannot use,
            or has a part with which no connection would ever succeed.
    """
    url = _with_async_driver(_split(value.strip()))
    if url.get_driver_name() == "asyncpg":
        for mistake in _find_mistakes(url):
            raise ValueError(mistake)
        if "sslmode" in url.query:
            url = url.update_query_dict({"ssl": url.query["sslmode"]}).difference_update_query(["sslmode"])
    uses_pgbouncer(url)
    return url


def _split(value: str) -> URL:
    try:
        url = make_url(value, keep_blank_values=True)
    except ArgumentError:
        msg = f"is not a database URL, expected {EXAMPLE}"
        raise ValueError(msg) from None
    except ValueError:  # SQLAlchemy's own message quotes what stands where the port should be
        msg = f"has a port that is not a number, expected {EXAMPLE}: {ESCAPES}"
        raise ValueError(msg) from None
    start = _BEFORE_HOST.match(value)
    if not url.drivername.startswith("sqlite") and start and "@" in value[start.end() :]:
        msg = f"has an @ after the one before its host, expected {EXAMPLE}: {ESCAPES}"
        raise ValueError(msg)
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


def _find_mistakes(url: URL) -> Iterator[str]:
    if any(_UNDECODABLE.search(part or "") for part in (url.username, url.password, url.host, url.database)):
        yield f"has a NUL byte, or a character behind a % that is not UTF-8: {ESCAPES}"
    yield from _find_mistakes_of_host(url)
    for name, value in url.query.items():
        if name not in PARAMETERS:
            instead = REPLACEMENTS.get(name, f"known are {', '.join(PARAMETERS)}")
            yield f"has the parameter {name}, which is not understood: {instead}"
        if name not in ("host", "port") and not isinstance(value, str):
            yield f"has the parameter {name} more than once"
        if name in VALUES and value not in VALUES[name]:
            yield f"has {name}= with a value other than {', '.join(VALUES[name])}"
        if value == "":
            yield f"has the parameter {name} without a value"
    if not _has_valid_numbers(url):
        yield "has a value of host=, port= or prepared_statement_cache_size= that asyncpg does not take"


def _find_mistakes_of_host(url: URL) -> Iterator[str]:
    value = url.query.get("host", ())
    hosts = value.split(",") if isinstance(value, str) else value
    if (url.host and not _is_host(url.host)) or not all(_is_host_of_query(host) for host in hosts):
        yield f"has a host that is not a name or an address, expected {EXAMPLE}: {ESCAPES}"
    if not url.host and not hosts and (url.username or url.port is not None) and "service" not in url.query:
        yield f"names no host, expected {EXAMPLE}, or ?host= with the directory of a Unix socket"
    if url.port is not None and not 0 < url.port < 65536:
        yield "has a port that is not between 1 and 65535"


def _is_host_of_query(host: str) -> bool:
    return host.startswith("/") or _is_host(host) or _is_host(_PORT.sub("", host))


def _is_host(host: str) -> bool:
    try:
        return bool(_HOST_NAME.fullmatch(host) and host.encode("idna")) or bool(ip_address(host))
    except ValueError:  # which UnicodeError is, for labels of more than 63 characters
        return False


def _has_valid_numbers(url: URL) -> bool:
    try:
        _, arguments = url.get_dialect()().create_connect_args(url)
    except (ArgumentError, ValueError):
        return False
    ports = arguments.get("port", [])
    return all(0 < port < 65536 for port in (ports if isinstance(ports, list) else [ports]))
