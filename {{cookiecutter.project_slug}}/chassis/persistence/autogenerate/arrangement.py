"""The order in which a revision creates and drops tables, and what it has to do between them."""

from collections.abc import Iterable, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import cast

from alembic.autogenerate.api import AutogenContext
from alembic.operations.ops import (
    CreateForeignKeyOp,
    CreateTableOp,
    DropTableOp,
    MigrateOperation,
    ModifyTableOps,
    UpgradeOps,
)
from alembic.util import PriorityDispatchResult
from sqlalchemy import CheckConstraint, Column, Constraint, ForeignKeyConstraint
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.schema import AddConstraint

from chassis.persistence.autogenerate.impl import CatalogImpl
from chassis.persistence.autogenerate.indexes import correct_indexes
from chassis.persistence.autogenerate.operations import SQLOp
from chassis.persistence.autogenerate.twins import applies

TableKey = tuple[str | None, str]


def arrange(context: AutogenContext, upgrade: UpgradeOps, _schemas: object) -> PriorityDispatchResult:
    """Drop tables at the end, when nothing refers to them any more, and keep what Alembic would lose."""
    creations = [operation for operation in upgrade.ops if isinstance(operation, CreateTableOp)]
    drops = [operation for operation in upgrade.ops if isinstance(operation, DropTableOp)]
    others = [operation for operation in upgrade.ops if operation not in drops]
    for operation in others:
        if isinstance(operation, ModifyTableOps):
            is_new = (operation.schema, operation.table_name) in [_key(creation) for creation in creations]
            correct_indexes(operation, context, is_new=is_new)
    for creation in creations:
        creation.info = {}  # objects of the service, perhaps without a representation
        _correct_constraints(creation, context)
        others[others.index(creation) + 1 : others.index(creation) + 1] = _add_exclusions(creation, context)
    upgrade.ops[:] = [*others, *_separate_references(creations), *_drop(drops, context)]
    return PriorityDispatchResult.CONTINUE


def _correct_constraints(creation: CreateTableOp, context: AutogenContext) -> None:
    """Leave out constraints for other databases, and add the checks of columns, which Alembic does not render."""
    columns = [item for item in creation.columns if isinstance(item, Column)]
    constraints = [item for item in creation.columns if isinstance(item, Constraint) and applies(item, context.dialect)]
    of_columns = [each for column in columns for each in column.constraints if isinstance(each, CheckConstraint)]
    checks = [CheckConstraint(each.sqltext, name=each.name) for each in of_columns if applies(each, context.dialect)]
    creation.columns = [*columns, *constraints, *checks]


def _add_exclusions(creation: CreateTableOp, context: AutogenContext) -> list[MigrateOperation]:
    """Add exclusion constraints in SQL, because Alembic leaves out their operator classes."""
    exclusions = [item for item in creation.columns if isinstance(item, ExcludeConstraint)]
    creation.columns = [item for item in creation.columns if not isinstance(item, ExcludeConstraint)]
    additions = [AddConstraint(exclusion, isolate_from_table=False) for exclusion in exclusions]
    statements = sorted(str(addition.compile(dialect=context.dialect)) for addition in additions)
    return [SQLOp((statement,), undo=()) for statement in statements]


def _separate_references(creations: Iterable[CreateTableOp]) -> list[MigrateOperation]:
    """Take foreign keys to tables that are created later out of their table, and return what adds them afterwards."""
    pending = {_key(creation) for creation in creations}
    separated: list[MigrateOperation] = []
    for creation in creations:
        pending.remove(_key(creation))
        too_early = [key for key in _references(creation) if key.use_alter or _target(key) in pending]
        creation.columns = [item for item in creation.columns if not any(item is key for key in too_early)]
        separated += [_create(key) for key in too_early]
    return separated


def _create(key: ForeignKeyConstraint) -> CreateForeignKeyOp:
    operation = CreateForeignKeyOp.from_constraint(key)
    operation.kw.pop("use_alter", None)
    return operation


def _drop(drops: Sequence[DropTableOp], context: AutogenContext) -> list[MigrateOperation]:
    creations = _sort([drop.reverse() for drop in drops])
    references = [reference.reverse() for reference in _separate_references(creations)]
    constraints = [_restore_constraints(creation, context) for creation in creations]
    return [*references, *constraints, *(creation.reverse() for creation in reversed(creations))]


def _restore_constraints(creation: CreateTableOp, context: AutogenContext) -> SQLOp:
    """Do nothing on upgrade; on downgrade, add the constraints that Alembic does not read, or not completely."""
    table, preparer = creation.to_table(), context.dialect.identifier_preparer
    constraints = cast("CatalogImpl", context.migration_context.impl).describe(table).constraints
    incomplete = {name: each.sql for name, each in constraints.items() if each.kind == "x" or "DEFERRABLE" in each.sql}
    creation.columns = [
        item for item in creation.columns if not (isinstance(item, Constraint) and item.name in incomplete)
    ]
    alter = f"ALTER TABLE {preparer.format_table(table)} ADD CONSTRAINT"
    return SQLOp((), undo=tuple(f"{alter} {preparer.quote(name)} {sql}" for name, sql in incomplete.items()))


def _sort(creations: Sequence[CreateTableOp]) -> list[CreateTableOp]:
    by_key = {_key(creation): creation for creation in creations}
    dependencies = {key: {_target(item) for item in _references(by_key[key])} - {key} for key in by_key}
    try:
        order = list(TopologicalSorter(dependencies).static_order())
    except CycleError:
        return list(creations)
    return [by_key[key] for key in order if key in by_key]


def _references(creation: CreateTableOp) -> list[ForeignKeyConstraint]:
    return [item for item in creation.columns if isinstance(item, ForeignKeyConstraint)]


def _target(key: ForeignKeyConstraint) -> TableKey:
    tokens = key.elements[0].target_tokens
    return tokens.schema, tokens.table_name


def _key(operation: CreateTableOp) -> TableKey:
    return operation.schema, operation.table_name
