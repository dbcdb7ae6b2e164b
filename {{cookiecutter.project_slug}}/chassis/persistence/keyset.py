"""Keyset paging: a page starts after the last row of the page before, wherever that row is now or was."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, or_, tuple_
from sqlalchemy.exc import DBAPIError, StatementError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import TypeDecorator

from chassis.domain.cursor import cursor_scope, invalid_cursor, read_cursor, write_cursor
from chassis.domain.lookups import is_storable
from chassis.domain.pagination import PAGE_PARAMS, PageRequest
from chassis.domain.ports import Key, Params
from chassis.domain.sorting import SortField
from chassis.persistence.database import Database
from chassis.persistence.filters import (
    MAX_BIGINT,
    MIN_BIGINT,
    Condition,
    Filters,
    bind,
    compare,
    declared_type,
    is_null,
    storage_type,
)


@dataclass(frozen=True)
class SortColumn:
    """An expression to sort by. PostgreSQL regards null as greater than anything else."""

    expression: Any
    descending: bool
    nullable: bool

    def order(self) -> ColumnElement[Any]:
        order: ColumnElement[Any] = self.expression.desc() if self.descending else self.expression.asc()
        if not self.nullable:
            return order
        return order.nulls_first() if self.descending else order.nulls_last()

    def follows(self, value: object) -> Condition:
        """Return the condition of rows that follow all rows with this value."""
        if value is None:
            return is_null(self.expression, null=False) if self.descending else compare(self.expression, "gt", None)
        if self.descending:
            return compare(self.expression, "lt", value)
        greater = compare(self.expression, "gt", value)
        return or_(greater, is_null(self.expression)) if self.nullable else greater

    def has_nulls_after(self, value: object) -> bool:
        return self.nullable and not self.descending and value is not None

    def read(self, value: Any) -> Any:  # noqa: ANN401
        """Return a value of a cursor in the type of the column.

        Raises:
            ValidationError: the column cannot have this value.
        """
        if value is None:
            return None
        enum_class = getattr(storage_type(self.expression), "enum_class", None)
        if enum_class is not None and isinstance(value, str):
            value = enum_class.__members__.get(value)
        if not self._is_possible(value):
            raise invalid_cursor()
        return value

    def _is_possible(self, value: object) -> bool:
        if isinstance(value, int) and not MIN_BIGINT <= value <= MAX_BIGINT:
            return False
        if isinstance(value, str) and not is_storable(value):
            return False
        declared = declared_type(self.expression)
        if isinstance(declared, TypeDecorator):
            return True  # it returns values of any type
        try:
            return isinstance(value, declared.python_type)
        except NotImplementedError:
            return True


class Keyset:
    """The order of a list, and for any row of it the conditions of those that follow."""

    def __init__(self, filters: Filters, fields: Sequence[SortField]) -> None:
        self.fields = fields
        self.columns = [
            SortColumn(filters.expression(field.name), field.descending, filters.is_nullable(field.name))
            for field in fields
        ]

    @property
    def expressions(self) -> list[Any]:
        return [column.expression for column in self.columns]

    def order(self) -> list[ColumnElement[Any]]:
        return [column.order() for column in self.columns]

    def after(self, values: Sequence[object]) -> list[Condition]:
        """Return conditions whose rows, one after the other, are all that follow the row with these values.

        An index on the first column finds the start of each: a range of it, or its nulls. One condition for both
        would be OR, and PostgreSQL would read and sort all that follows.

        Raises:
            ValidationError: the values do not suit the columns.
        """
        values = [column.read(value) for column, value in zip(self.columns, values, strict=True)]
        if self._compares_as_row():
            bound = [bind(column.expression, value) for column, value in zip(self.columns, values, strict=True)]
            row, start = tuple_(*self.expressions), tuple_(*bound)
            return [row < start if self.columns[0].descending else row > start]
        first, value = self.columns[0], values[0]
        conditions = [and_(_bound(first, value), _follow(self.columns, values))]
        if first.has_nulls_after(value):
            conditions.append(is_null(first.expression))
        if value is None and first.descending:
            conditions.append(is_null(first.expression, null=False))
        return conditions

    def _compares_as_row(self) -> bool:
        directions = {column.descending for column in self.columns}
        return len(directions) == 1 and not any(column.nullable for column in self.columns)


class KeysetPages:
    """Reads the keys of a page and writes the cursor of the next one, for one list with its order and filters."""

    def __init__(self, keyset: Keyset, owner: str, query_params: Params) -> None:
        filters = {name: query_params[name] for name in query_params if name not in PAGE_PARAMS}
        self._keyset = keyset
        self._scope = cursor_scope(owner, keyset.fields, filters)

    async def read(
        self, database: Database, matching: Select[Any], request: PageRequest
    ) -> tuple[list[Key], str | None]:
        """Return the keys and the cursor of the next page, which is None at the end.

        Raises:
            ValidationError: the cursor is not one of this list.
        """
        statement = matching.with_only_columns(*self._keyset.expressions).order_by(None).order_by(*self._keyset.order())
        rows, size = list[Any](), request.per_page + 1
        for condition in self._conditions(request.cursor):
            rows += await self._fetch(database, statement.where(*condition).limit(size - len(rows)))
            if len(rows) == size:
                break
        page = rows[: request.per_page]
        next_cursor = write_cursor(page[-1], self._scope) if len(rows) > len(page) else None
        return [row[-1] for row in page], next_cursor

    def _conditions(self, cursor: object) -> list[tuple[Condition, ...]]:
        if cursor == "":
            return [()]
        values = read_cursor(cursor, self._scope, len(self._keyset.columns))
        return [(condition,) for condition in self._keyset.after(values)]

    async def _fetch(self, database: Database, statement: Select[Any]) -> Sequence[Any]:
        try:
            return await database.read(partial(_read_rows, statement))
        except StatementError as error:
            if isinstance(error, DBAPIError):
                raise
            raise invalid_cursor() from error  # a type of the service refused the value


async def _read_rows(statement: Select[Any], session: AsyncSession) -> Sequence[Any]:
    rows: Sequence[Any] = (await session.execute(statement)).all()
    return rows


def _bound(first: SortColumn, value: object) -> Condition:
    if value is None:
        return is_null(first.expression)
    return compare(first.expression, "lte" if first.descending else "gte", value)


def _follow(columns: Sequence[SortColumn], values: Sequence[object]) -> Condition:
    """Return the condition of rows that follow in the first column, or tie there and follow in the others."""
    follows = columns[0].follows(values[0])
    if len(columns) == 1:
        return follows
    return or_(follows, and_(compare(columns[0].expression, "eq", values[0]), _follow(columns[1:], values[1:])))
