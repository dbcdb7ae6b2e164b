"""Statements depend on the database in these respects; a service runs on PostgreSQL."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import URL, FromClause, Table, bindparam, cast, column, func, select, values
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.types import Integer, String, TypeDecorator, TypeEngine


def is_postgresql(url: URL) -> bool:
    return url.get_backend_name() == "postgresql"


def is_sqlite(url: URL) -> bool:
    return url.get_backend_name() == "sqlite"


def transaction_isolation(url: URL) -> str:
    return "SERIALIZABLE" if is_sqlite(url) else "READ COMMITTED"


def upsert(url: URL, table: Table) -> postgresql.Insert | sqlite.Insert:
    """Return an INSERT that has `on_conflict_do_update`."""
    return sqlite.insert(table) if is_sqlite(url) else postgresql.insert(table)


def table_of_keys(url: URL, keys: Sequence[Any], key_type: TypeEngine[Any]) -> FromClause:
    """Return a table with the columns `key` and `place`, to join with.

    For PostgreSQL the keys are one parameter, so that the statement is the same for any number of them. It is JSON,
    because asyncpg would ask the server about the type of an array.
    """
    if is_postgresql(url) and not isinstance(key_type, TypeDecorator):
        texts = bindparam(None, [str(key) for key in keys], type_=postgresql.JSONB)
        elements = func.jsonb_array_elements_text(texts).table_valued(column("text", String), with_ordinality="place")
        numbered = elements.render_derived()
        return select(cast(numbered.c.text, key_type).label("key"), numbered.c.place).subquery()
    rows = list(zip(keys, range(len(keys)), strict=True))
    return values(column("key", key_type), column("place", Integer), name="wanted").data(rows)
