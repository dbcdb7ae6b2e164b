"""Keyset paging: a page starts after the last row of the page before, wherever that row is now or was."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, tuple_
from sqlalchemy.types import TypeDecorator

from chassis.domain.cursor import invalid_cursor
from chassis.domain.lookups import is_storable
from chassis.domain.sorting import SortField
from chassis.persistence.filters import Condition, Filters, bind, compare, declared_type, is_null, storage_type
from chassis.persistence.keys import MAX_INTEGER, MIN_INTEGER


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

    def follows(self, value: object, parameter: str) -> list[Condition]:
        """Return one condition for each range of an index whose rows follow all rows with this value."""
        if value is None:
            return [is_null(self.expression, null=False)] if self.descending else []
        beyond = [compare(self.expression, "lt" if self.descending else "gt", value, parameter)]
        return [*beyond, is_null(self.expression)] if self.nullable and not self.descending else beyond

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
        if isinstance(value, int) and not MIN_INTEGER <= value <= MAX_INTEGER:
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

    def read(self, values: Sequence[object]) -> list[Any]:
        """Return the values of a cursor in the types of the columns.

        Raises:
            ValidationError: the values do not suit the columns.
        """
        return [column.read(value) for column, value in zip(self.columns, values, strict=True)]

    def after(self, values: Sequence[object]) -> list[Condition]:
        """Return conditions whose rows together are those that follow the row with these values.

        Each is one range of an index on the columns: the rows that tie in all of them but the last, those that tie in
        all but the last two, and so on. With OR instead, PostgreSQL would read all rows that tie, or all that follow.
        Whoever executes them may give other values to the parameters, if the same ones are null.
        """
        start = [
            (column, value, parameter_name(place))
            for place, (column, value) in enumerate(zip(self.columns, values, strict=True))
        ]
        if self._compares_as_row():
            row = tuple_(*self.expressions)
            bound = tuple_(*[bind(column.expression, value, name) for column, value, name in start])
            return [row < bound if self.columns[0].descending else row > bound]
        ties = [compare(column.expression, "eq", value, name) for column, value, name in start]
        return [
            and_(*ties[:place], follows)
            for place, (column, value, name) in reversed(list(enumerate(start)))
            for follows in column.follows(value, name)
        ]

    def _compares_as_row(self) -> bool:
        directions = {column.descending for column in self.columns}
        return len(directions) == 1 and not any(column.nullable for column in self.columns)


def parameter_name(place: int) -> str:
    """Return the name of the parameter for the value of a column."""
    return f"after_{place}"
