"""Statements depend on the database in these respects; a service runs on PostgreSQL."""

from sqlalchemy import URL, Table
from sqlalchemy.dialects import postgresql, sqlite


def is_postgresql(url: URL) -> bool:
    return url.get_backend_name() == "postgresql"


def is_sqlite(url: URL) -> bool:
    return url.get_backend_name() == "sqlite"


def transaction_isolation(url: URL) -> str:
    return "SERIALIZABLE" if is_sqlite(url) else "READ COMMITTED"


def upsert(url: URL, table: Table) -> postgresql.Insert | sqlite.Insert:
    """Return an INSERT that has `on_conflict_do_update`."""
    return sqlite.insert(table) if is_sqlite(url) else postgresql.insert(table)
