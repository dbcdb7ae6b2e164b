"""With `?pgbouncer=true` in a database URL each transaction may run in another session, so sessions keep no state."""

from collections.abc import MutableMapping
from typing import Any

from sqlalchemy import URL

PGBOUNCER_PARAMETER = "pgbouncer"


def uses_pgbouncer(url: URL) -> bool:
    """Return whether a PgBouncer in transaction mode is between the service and PostgreSQL.

    Raises:
        ValueError: the parameter has a value other than `true`.
    """
    if url.query.get(PGBOUNCER_PARAMETER, "true") != "true":
        msg = f"has {PGBOUNCER_PARAMETER}= with a value other than true, leave it out if there is no PgBouncer"
        raise ValueError(msg)
    return PGBOUNCER_PARAMETER in url.query


def session_arguments(url: URL, application_name: str, **server_settings: str) -> dict[str, Any]:
    """Return those arguments of `asyncpg.connect` that concern the session.

    PgBouncer sets the application name for each transaction and refuses all other settings.
    """
    if not uses_pgbouncer(url):
        return {"server_settings": {"application_name": application_name, **server_settings}}
    return {
        "server_settings": {"application_name": application_name},
        "statement_cache_size": 0,  # unnamed statements, parsed in the transaction that executes them
        "prepared_statement_cache_size": 0,  # SQLAlchemy's own, which would remember the types of columns
    }


def remove_pgbouncer_parameter(
    _dialect: object, _record: object, _arguments: object, keywords: MutableMapping[str, Any]
) -> None:
    """Hide the parameter from the driver, on SQLAlchemy's event `do_connect`."""
    keywords.pop(PGBOUNCER_PARAMETER, None)
