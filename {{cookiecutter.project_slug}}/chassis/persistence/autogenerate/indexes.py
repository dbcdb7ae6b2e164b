"""Corrections of the indexes and unique constraints in a revision."""

from collections.abc import Sequence
from typing import cast

from alembic.autogenerate.api import AutogenContext
from alembic.operations.ops import (
    CreateIndexOp,
    CreateUniqueConstraintOp,
    DropIndexOp,
    MigrateOperation,
    ModifyTableOps,
)
from sqlalchemy import Column, MetaData, Table

from chassis.persistence.autogenerate.impl import CatalogImpl, find_pair
from chassis.persistence.autogenerate.operations import SQLOp
from chassis.persistence.autogenerate.twins import applies


def correct_indexes(modifications: ModifyTableOps, context: AutogenContext, *, is_new: bool) -> None:
    needed = [operation for operation in modifications.ops if not _is_pointless(operation, context)]
    modifications.ops = [_correct(operation, context, is_new=is_new) for operation in needed]


def _is_pointless(operation: MigrateOperation, context: AutogenContext) -> bool:
    """Return whether it is for another database, or PostgreSQL leaves it out because the primary key is the same."""
    if isinstance(operation, CreateIndexOp):
        index = next(each for each in _table(operation, context).indexes if each.name == operation.index_name)
        return not applies(index, context.dialect)
    if isinstance(operation, CreateUniqueConstraintOp):
        constraint = operation.to_constraint()
        pair = find_pair(context, constraint.table)
        return str(constraint.name) not in pair.model.constraints
    return False


def _correct(operation: MigrateOperation, context: AutogenContext, *, is_new: bool) -> MigrateOperation:
    if isinstance(operation, DropIndexOp):
        return _restore_collation(operation, context)
    if isinstance(operation, CreateIndexOp):
        _name_columns(operation, _table(operation, context))
        if is_new:
            operation.kw.pop("postgresql_concurrently", None)  # nobody uses the table yet
    return operation


def _name_columns(operation: CreateIndexOp, table: Table) -> None:
    """Replace keys of columns, which only the model has, by their names."""
    names = {column.key: str(column.name) for column in table.columns}
    if operators := operation.kw.get("postgresql_ops"):
        operation.kw["postgresql_ops"] = {names.get(key, key): value for key, value in operators.items()}
    if included := operation.kw.get("postgresql_include"):
        keys: Sequence[str] = [each.key if isinstance(each, Column) else each for each in included]
        operation.kw["postgresql_include"] = [names[key] for key in keys]


def _restore_collation(operation: DropIndexOp, context: AutogenContext) -> MigrateOperation:
    """Drop an index in a way that its collation returns on downgrade, because SQLAlchemy does not read it."""
    preparer, index = context.dialect.identifier_preparer, operation.to_index()
    table = cast("Table", index.table)
    described = cast("CatalogImpl", context.migration_context.impl).describe(table).indexes[str(index.name)]
    if " COLLATE " not in described.sql:
        return operation
    create = described.create(preparer.quote(str(index.name)), preparer.format_table(table))
    return SQLOp((f"DROP INDEX {preparer.format_index(index)}",), undo=(create,))


def _table(operation: CreateIndexOp, context: AutogenContext) -> Table:
    schema = f"{operation.schema}." if operation.schema else ""
    return cast("MetaData", context.metadata).tables[f"{schema}{operation.table_name}"]
