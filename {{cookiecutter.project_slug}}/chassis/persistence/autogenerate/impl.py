"""Alembic's knowledge of PostgreSQL, corrected where PostgreSQL itself knows better."""

from functools import cached_property
from typing import Any, cast

from alembic.autogenerate.api import AutogenContext
from alembic.ddl.impl import ComparisonResult
from alembic.ddl.postgresql import PostgresqlImpl
from sqlalchemy import (
    BindParameter,
    ClauseElement,
    Column,
    Connection,
    Constraint,
    Index,
    Inspector,
    Table,
    TextClause,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import DOMAIN
from sqlalchemy.engine.interfaces import ReflectedColumn
from typing_extensions import override

from chassis.persistence.autogenerate.catalog import TableDescription, qualified_name, read_tables
from chassis.persistence.autogenerate.pairs import Pair, describe_pairs
from chassis.persistence.autogenerate.text_clauses import escape_parameters


class CatalogImpl(PostgresqlImpl):
    """Takes the place of Alembic's own class in this process, because it has the same `__dialect__`."""

    __dialect__ = "postgresql"

    def pair(self, table: Table) -> Pair:
        return self._pairs[qualified_name(table, self.dialect)]

    @cached_property
    def _pairs(self) -> dict[str, Pair]:
        connection = cast("Connection", self.connection)  # nothing is compared offline
        return describe_pairs(connection, self.context_opts["target_metadata"])

    def describe(self, table: Table) -> TableDescription:
        """Return the description of a table that the database has."""
        name = qualified_name(table, self.dialect)
        return read_tables(cast("Connection", self.connection), [name])[name]

    def compare_indexes(self, metadata_index: Index, reflected_index: Index) -> ComparisonResult:
        pair, name = self.pair(cast("Table", metadata_index.table)), str(metadata_index.name)
        return _compare(pair.database.indexes.get(name), pair.model.indexes.get(name))

    def compare_unique_constraint(
        self, metadata_constraint: UniqueConstraint, reflected_constraint: UniqueConstraint
    ) -> ComparisonResult:
        pair, name = self.pair(metadata_constraint.table), str(metadata_constraint.name)
        return _compare(pair.database.constraints.get(name), pair.model.constraints.get(name))

    def add_constraint(self, const: Constraint, **kw: Any) -> None:
        """Add the included columns to the table that Alembic has made up, as Alembic does for indexes only."""
        for name in const.dialect_kwargs.get("postgresql_include") or ():
            if name not in const.table.columns:
                const.table.append_column(Column(name))
        super().add_constraint(const, **kw)

    @override
    def render_ddl_sql_expr(
        self, expr: ClauseElement, is_server_default: bool = False, is_index: bool = False, **kw: Any
    ) -> str:
        """Return SQL for `literal_column()` if it is for an index, otherwise for `text()`."""
        if isinstance(expr, TextClause) and any(_lacks_value(child) for child in expr.get_children()):
            sql = expr.text  # it comes from the database, where `:name` is not a parameter
        else:
            sql = super().render_ddl_sql_expr(expr, is_server_default=is_server_default, is_index=is_index, **kw)
        return sql if is_index else escape_parameters(sql)

    def autogen_column_reflect(self, inspector: Inspector, table: Table, column_info: ReflectedColumn) -> None:
        super().autogen_column_reflect(inspector, table, column_info)  # type: ignore[no-untyped-call]
        if default := column_info.get("default"):
            column_info["default"] = escape_parameters(default)
        if isinstance(column_info["type"], DOMAIN):  # SQLAlchemy reads what belongs to the domain
            column = self.describe(table).columns[column_info["name"]]
            column_info |= {"default": column.default, "nullable": not column.not_null}
        if "computed" in column_info:
            column_info["computed"]["sqltext"] = escape_parameters(column_info["computed"]["sqltext"])

    def adjust_reflected_dialect_options(self, reflected_object: Any, kind: str) -> dict[str, Any]:  # noqa: ANN401
        options = super().adjust_reflected_dialect_options(reflected_object, kind)
        if "postgresql_where" in options:
            options["postgresql_where"] = text(escape_parameters(options["postgresql_where"]))
        return options


def _lacks_value(part: object) -> bool:
    return isinstance(part, BindParameter) and part.required


def _compare(database: object, model: object) -> ComparisonResult:
    if database == model:
        return ComparisonResult.Equal()
    return ComparisonResult.Different(f"{database} to {model}")


def find_pair(context: AutogenContext, table: Table) -> Pair:
    """Return the table of the database and that of the model, as PostgreSQL describes them."""
    return cast("CatalogImpl", context.migration_context.impl).pair(table)
