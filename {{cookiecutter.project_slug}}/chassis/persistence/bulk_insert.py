"""Many rows are one INSERT, as far as they name the same columns and one statement can hold them."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import JSON, Column, ColumnElement, Select, func, inspect, literal_column, select
from sqlalchemy.orm import Mapper
from sqlalchemy.schema import DefaultClause
from sqlalchemy.sql.elements import TextClause
from sqlalchemy.types import TypeDecorator

Row = dict[str, Any]
MAX_ROWS = 1000  # of a statement; SQLAlchemy's default
MAX_VALUES = 30_000  # of a statement; PostgreSQL has a limit of 32767 parameters


class BulkInsert:
    """Groups rows by the columns that they name, and knows which keys only the database can make."""

    def __init__(self, model: type[Any]) -> None:
        mapper: Mapper[Any] = inspect(model)
        self._columns = {
            attribute.key: column
            for attribute in mapper.column_attrs
            for column in attribute.columns[:1]
            if isinstance(column, Column)
        }
        self._optional = {name for name, column in self._columns.items() if _is_null_by_default(column)}
        key = mapper.primary_key[0]
        self.key_name = mapper.get_property_by_column(key).key
        self._key_default = _default_expression(key)

    def group(self, rows: Sequence[Row]) -> list[dict[int, Row]]:
        """Return groups of rows with the same columns, each row by its place; a missing null does not matter."""
        named = {name for row in rows for name in row}
        optional = dict.fromkeys(named & self._optional)
        groups = dict[frozenset[str], dict[int, Row]]()
        for place, row in enumerate(rows):
            complete = {**optional, **row}
            groups.setdefault(frozenset(complete), {})[place] = complete
        return list(groups.values())

    def is_one_statement(self, groups: Sequence[dict[int, Row]]) -> bool:
        """Return whether no transaction is needed to create all rows or none."""
        rows = sum(map(len, groups))
        return (
            self._key_default is None
            and len(groups) <= 1
            and rows <= MAX_ROWS
            and rows * len(self._columns) <= MAX_VALUES
        )

    def key_query(self, rows: Sequence[Row]) -> Select[Any] | None:
        """Return a query of a key for each row, if its default is an expression such as `gen_random_uuid()`.

        Without the keys SQLAlchemy could not tell which of the rows that RETURNING gives is which, and would insert
        them one by one. It can tell for keys that the service makes, and for numbers of a sequence.
        """
        if self._key_default is None or any(self.key_name in row for row in rows):
            return None
        return select(self._key_default).select_from(func.generate_series(1, len(rows)))


def _is_null_by_default(column: Column[Any]) -> bool:
    """Return whether a row without the column is the same as one with None; for JSON, None may be a value."""
    is_plain = not isinstance(column.type, JSON | TypeDecorator)
    has_default = column.default or column.server_default or column.computed or column.identity
    return is_plain and bool(column.nullable) and not has_default and not column.primary_key


def _default_expression(key: ColumnElement[Any]) -> ColumnElement[Any] | None:
    server_default = getattr(key, "server_default", None)
    default = server_default.arg if isinstance(server_default, DefaultClause) else None
    if isinstance(default, TextClause):
        return literal_column(default.text, key.type)
    return default if isinstance(default, ColumnElement) else None
