"""Compare the constraints of which Alembic sees no change: checks, exclusions and primary keys."""

import logging

from alembic.autogenerate.api import AutogenContext
from alembic.operations.ops import ModifyTableOps
from alembic.util import PriorityDispatchResult
from sqlalchemy import Dialect, Table

from chassis.persistence.autogenerate.catalog import ConstraintDescription
from chassis.persistence.autogenerate.impl import find_pair
from chassis.persistence.autogenerate.operations import SQLOp

KINDS = {"c": "check", "p": "primary key", "x": "exclusion"}

log = logging.getLogger("alembic.autogenerate.constraints")


def compare_constraints(
    context: AutogenContext,
    modifications: ModifyTableOps,
    _schema: str | None,
    _table_name: str,
    database_table: Table | None,
    table: Table | None,
) -> PriorityDispatchResult:
    if database_table is None or table is None:
        return PriorityDispatchResult.CONTINUE
    pair = find_pair(context, table)
    for name in sorted({*pair.database.constraints, *pair.model.constraints}):
        before, after = pair.database.constraints.get(name), pair.model.constraints.get(name)
        if before != after and all(each is None or each.kind in KINDS for each in (before, after)):
            log.info("Detected %s '%s' on table '%s'", _describe(before, after), name, table.fullname)
            modifications.ops.append(_change(table, name, before, after, context.dialect))
    return PriorityDispatchResult.CONTINUE


def _change(
    table: Table,
    name: str,
    before: ConstraintDescription | None,
    after: ConstraintDescription | None,
    dialect: Dialect,
) -> SQLOp:
    alter = f"ALTER TABLE {dialect.identifier_preparer.format_table(table)}"
    quoted = dialect.identifier_preparer.quote(name)
    drop = f"{alter} DROP CONSTRAINT {quoted}"
    add = [f"{alter} ADD CONSTRAINT {quoted} {before.sql}"] if before else []
    add_again = [f"{alter} ADD {_definition(table, quoted, dialect)}"] if after else []
    return SQLOp((*([drop] if before else []), *add_again), undo=(*([drop] if after else []), *add))


def _definition(table: Table, quoted_name: str, dialect: Dialect) -> str:
    """Return the SQL of the model, which is easier to read than that of PostgreSQL."""
    constraints = [*table.constraints, *(each for column in table.columns for each in column.constraints)]
    by_name = {dialect.identifier_preparer.format_constraint(each): each for each in constraints}
    return dialect.ddl_compiler(dialect, None).process(by_name[quoted_name])  # type: ignore[arg-type]


def _describe(before: ConstraintDescription | None, after: ConstraintDescription | None) -> str:
    if before and after:
        return f"changed {KINDS[after.kind]}"
    return f"added {KINDS[after.kind]}" if after else f"removed {KINDS[before.kind]}" if before else ""
