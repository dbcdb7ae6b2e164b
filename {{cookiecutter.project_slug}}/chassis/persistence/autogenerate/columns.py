"""Compare columns as PostgreSQL describes them."""

import logging
from typing import Any

from alembic.autogenerate.api import AutogenContext
from alembic.operations.ops import AlterColumnOp, ModifyTableOps
from alembic.runtime.migration import MigrationContext
from alembic.util import PriorityDispatchResult
from sqlalchemy import Column, Computed, DefaultClause, FetchedValue, Identity, Table

from chassis.persistence.autogenerate.column_change import ColumnChange
from chassis.persistence.autogenerate.impl import CatalogImpl, find_pair
from chassis.persistence.autogenerate.operations import SQLOp

log = logging.getLogger("alembic.autogenerate.columns")


def compare_type(
    context: MigrationContext, _database_column: object, column: Column[Any], _database_type: object, _type: object
) -> bool | None:
    """Return whether the types differ, or `None` to let Alembic compare them."""
    if not isinstance(context.impl, CatalogImpl):
        return None
    pair = context.impl.pair(column.table)
    return pair.database.columns[column.name].type != pair.model.columns[column.name].type


def compare_server_default(
    context: AutogenContext,
    alteration: AlterColumnOp,
    _schema: str | None,
    _table_name: str,
    _name: str,
    database_column: Column[Any],
    column: Column[Any],
) -> PriorityDispatchResult:
    """Compare constant and computed defaults; for identities and computed columns see `compare_columns`."""
    if isinstance(database_column.server_default, DefaultClause):
        alteration.existing_server_default = database_column.server_default
    if _is_serial(column) or _is_unknown(column.server_default):
        return PriorityDispatchResult.CONTINUE
    pair = find_pair(context, column.table)
    before, after = pair.database.columns[column.name], pair.model.columns[column.name]
    if before.is_plain and after.is_plain and before.default != after.default:
        log.info("Detected changed default of '%s.%s'", column.table.fullname, column.name)
        alteration.modify_server_default = column.server_default
    return PriorityDispatchResult.CONTINUE


def compare_nullable(
    context: AutogenContext,
    alteration: AlterColumnOp,
    _schema: str | None,
    _table_name: str,
    _name: str,
    database_column: Column[Any],
    column: Column[Any],
) -> PriorityDispatchResult:
    """Let Alembic compare no column that PostgreSQL finds equal, for instance one of a domain that is NOT NULL."""
    alteration.existing_nullable = database_column.nullable
    pair = find_pair(context, column.table)
    if pair.database.columns[column.name].not_null == pair.model.columns[column.name].not_null:
        return PriorityDispatchResult.STOP
    return PriorityDispatchResult.CONTINUE


def compare_columns(
    context: AutogenContext,
    modifications: ModifyTableOps,
    _schema: str | None,
    _table_name: str,
    database_table: Table | None,
    table: Table | None,
) -> PriorityDispatchResult:
    """Add what changes identities and computed columns."""
    if database_table is None or table is None:
        return PriorityDispatchResult.CONTINUE
    pair = find_pair(context, table)
    for column in table.columns:
        before, after = pair.database.columns.get(column.name), pair.model.columns.get(column.name)
        if not before or not after or _is_serial(column):
            continue
        if (before.identity, before.generated) != (after.identity, after.generated):
            log.info("Detected changed identity or expression of '%s.%s'", table.fullname, column.name)
            change = ColumnChange(column, context.dialect)
            modifications.ops.append(SQLOp(change.statements(before, after), change.statements(after, before)))
    return PriorityDispatchResult.CONTINUE


def _is_serial(column: Column[Any]) -> bool:
    """Return whether its default is a sequence that PostgreSQL names, after the table as it was called at first."""
    return column is column.table.autoincrement_column and column.server_default is None


def _is_unknown(default: object) -> bool:
    """Return whether the model leaves it open what fills the column, for instance a trigger."""
    return isinstance(default, FetchedValue) and not isinstance(default, (DefaultClause, Computed, Identity))
