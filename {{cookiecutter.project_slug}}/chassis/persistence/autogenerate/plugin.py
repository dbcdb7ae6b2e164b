"""The steps that this project adds to Alembic's comparison of models and database, for PostgreSQL only."""

import logging
from typing import cast

from alembic.autogenerate.api import AutogenContext
from alembic.operations.ops import UpgradeOps
from alembic.runtime.plugins import Plugin
from alembic.util import DispatchPriority, PriorityDispatchResult
from sqlalchemy import Connection, MetaData

from chassis.persistence.autogenerate.arrangement import arrange
from chassis.persistence.autogenerate.columns import compare_columns, compare_nullable, compare_server_default
from chassis.persistence.autogenerate.constraints import compare_constraints
from chassis.persistence.autogenerate.enums import find_enum_changes
from chassis.persistence.autogenerate.operations import SQLOp
from chassis.persistence.autogenerate.requirements import find_missing
from chassis.persistence.autogenerate.unknown_types import register_unknown_types

NAME = "chassis.autogenerate"
PLUGINS_OF_ALEMBIC = ["alembic.autogenerate.*"]
# Alembic's own comparison of defaults fails for json, and warns of computed columns instead of changing them.
PLUGINS = [*PLUGINS_OF_ALEMBIC, "~alembic.autogenerate.defaults", NAME]

log = logging.getLogger("alembic.autogenerate.requirements")


def add_requirements(context: AutogenContext, upgrade: UpgradeOps, _schemas: object) -> PriorityDispatchResult:
    """Begin the revision with what tables need: extensions, schemas, types and sequences."""
    connection, metadata = cast("Connection", context.connection), cast("MetaData", context.metadata)
    register_unknown_types(connection)
    for requirement in find_missing(connection, metadata):
        log.info("Detected added %s %s", requirement.kind.lower(), requirement.name)
        upgrade.ops.append(SQLOp((requirement.create,), undo=(requirement.drop,)))
    for change in find_enum_changes(connection, metadata):
        log.info("Detected changed members of enum %s", change.name)
        upgrade.ops.append(SQLOp(change.statements(), change.undo()))
    return PriorityDispatchResult.CONTINUE


plugin = Plugin(NAME)
for function, target, part, priority in (
    (add_requirements, "schema", "requirements", DispatchPriority.FIRST),
    (arrange, "schema", "arrangement", DispatchPriority.LAST),
    (compare_nullable, "column", "nullable", DispatchPriority.FIRST),  # before Alembic's comparison of the same name
    (compare_server_default, "column", "server_default", DispatchPriority.MEDIUM),
    (compare_columns, "table", "columns", DispatchPriority.MEDIUM),
    (compare_constraints, "table", "constraints", DispatchPriority.MEDIUM),
):
    plugin.add_autogenerate_comparator(function, target, part, qualifier="postgresql", priority=priority)
