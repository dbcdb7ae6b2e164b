"""`?pgbouncer=true` in a database URL: a transaction may get any session of PostgreSQL, so nothing is kept in one."""

from typing import Any

from sqlalchemy import URL, Engine, event
from sqlalchemy.engine.interfaces import Dialect

MARK = "pgbouncer"


def through_pgbouncer(url: URL) -> bool:
    """Whether a PgBouncer in transaction mode is in between.

    Raises:
        ValueError: the mark has another value.
    """
    if url.query.get(MARK, "true") != "true":
        msg = f"has {MARK}= with a value other than true, leave it out where there is no PgBouncer"
        raise ValueError(msg)
    return MARK in url.query


def session_arguments(url: URL, application_name: str, **server_settings: str) -> dict[str, Any]:
    """Arguments of `create_async_engine`'s driver that are about the session.

    PgBouncer sets the name of the application for each transaction, and refuses the other settings.
    """
    if not through_pgbouncer(url):
        return {"server_settings": {"application_name": application_name, **server_settings}}
    return {
        "server_settings": {"application_name": application_name},
        "statement_cache_size": 0,  # statements without a name, parsed in the transaction that executes them
        "prepared_statement_cache_size": 0,  # SQLAlchemy's, which would remember the types of columns
    }


@event.listens_for(Engine, "do_connect")
def _take_out_the_mark(_dialect: Dialect, _record: object, _arguments: object, keywords: dict[str, Any]) -> None:
    """The driver would take it for an argument of its own."""
    keywords.pop(MARK, None)
