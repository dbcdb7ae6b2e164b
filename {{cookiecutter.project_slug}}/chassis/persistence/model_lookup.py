"""The database reports tables, columns and constraints; callers know attributes and models.

A model without a schema is in the one that the connection uses, whose name is not known here.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    ClauseElement,
    ColumnClause,
    Constraint,
    ForeignKeyConstraint,
    Index,
    Table,
    TextClause,
)
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.orm import Mapper
from sqlalchemy.sql import visitors
from sqlalchemy.sql.schema import ColumnCollectionConstraint

from chassis.persistence.loading import is_stored
from chassis.persistence.model import ModelExtension
from chassis.persistence.naming import DIALECT

_CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_TEXT_OF_SQL = re.compile(r"'(?:[^']|'')*'")
_UNCLEAR_SQL = re.compile(r"\\|\$|--|/\*")  # other quotes and comments
_COLUMN_OF_SQL = re.compile(  # a name that is not the name of a type, of a function, or of a table
    r"""(?<![\w"])(?<!::)(?<!:: )(?<!\bas )(?:"(?P<quoted>[^"]+)"|(?P<word>[^\W\d]\w*\b))(?!\s*[(.']|\s+from\b)""",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class TableName:
    name: str
    schema: str | None = None

    def find_tables(self) -> Iterator[Table]:
        """Yield tables of the models and those next to them, the most likely one first."""
        tables = [mapper.local_table for mapper in _mappers()]
        all_metadata = list(dict.fromkeys(table.metadata for table in tables if isinstance(table, Table)))
        for schema in dict.fromkeys((self.schema, None)):
            key = f"{schema}.{self.name}" if schema else self.name
            yield from (metadata.tables[key] for metadata in all_metadata if key in metadata.tables)

    def find_constraint(self, name: str) -> Constraint | Index | None:
        quoted = DIALECT.identifier_preparer.quote(name)
        for table in self.find_tables():
            named: Iterable[Constraint | Index] = (*table.constraints, *table.indexes)
            for each in named:
                if DIALECT.identifier_preparer.format_constraint(each) == quoted:
                    return each
        return None

    def describe(self) -> str:
        """Return the name of the model in words, "order line" for instance; without a model, that of the table."""
        for table in self.find_tables():
            for mapper in _mappers():
                if mapper.local_table is table:
                    return _CAPITAL.sub(" ", mapper.class_.__name__.removesuffix("Model")).lower() or "model"
        return self.name

    def attribute_of(self, column: str) -> str:
        """Return the name of the column in its model, because clients know that one; without a model, its own name."""
        for table in self.find_tables():
            for mapper in _mappers():
                if mapper.local_table is table:
                    for attribute in mapper.column_attrs:
                        if is_stored(attribute) and attribute.columns[0].name == column:
                            return attribute.key
        return column


def columns_of(constraint: Constraint | Index | None) -> list[str]:
    """Return the names of the columns, in expressions as well; none if SQL text does not show clearly what they are."""
    match constraint:
        case None:
            return []
        case ForeignKeyConstraint():
            return [element.parent.name for element in constraint.elements]
        case Index():
            return _columns_in(constraint.table, constraint.expressions)
        case ExcludeConstraint():
            parts = [expression for expression, *_ in constraint._render_exprs]  # noqa: SLF001 - it has no other place
            return _columns_in(constraint.table, parts)
        case CheckConstraint() if not constraint.columns:
            return _columns_in(constraint.table, [constraint.sqltext])
        case ColumnCollectionConstraint():
            return [column.name for column in constraint.columns]
    return []


def _columns_in(table: Any, expressions: Iterable[ClauseElement | str]) -> list[str]:  # noqa: ANN401 - None before it has a table
    names = [name for expression in expressions for name in _names_in(expression)]
    return list(dict.fromkeys(name for name in names if name in {column.name for column in table.columns}))


def _names_in(expression: ClauseElement | str) -> Iterator[str]:
    if isinstance(expression, str):
        yield from _names_in_text(expression)
        return
    for element in visitors.iterate(expression):
        if isinstance(element, TextClause):
            yield from _names_in_text(element.text)
        elif isinstance(element, ColumnClause):
            yield from _names_in_text(element.name) if element.is_literal else [element.name]


def _names_in_text(sql: str) -> list[str]:
    if _UNCLEAR_SQL.search(sql):
        return []
    found = _COLUMN_OF_SQL.finditer(_TEXT_OF_SQL.sub("''", sql))
    return [match["quoted"] or match["word"].lower() for match in found]


def _mappers() -> list[Mapper[Any]]:
    """Return the models that have a table, base classes first."""
    mappers = [mapper for mapper in ModelExtension.registry.mappers if isinstance(mapper.local_table, Table)]
    return sorted(mappers, key=lambda mapper: (len(list(mapper.iterate_to_root())), mapper.class_.__name__))
