"""Options of `context.configure`, for comparing models with a database and for writing revisions."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from sqlalchemy import Connection, MetaData, Table, text

from chassis.persistence.autogenerate import plugin
from chassis.persistence.autogenerate.columns import compare_type
from chassis.persistence.autogenerate.rendering import render_item
from chassis.persistence.autogenerate.requirements import find_schemas

_PARTITIONS_AND_EXTENSIONS = text("""
    SELECT nullif(nspname, current_schema()), relname FROM pg_class
    JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE relispartition
       OR EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = pg_class.oid AND deptype = 'e')
""")


def autogenerate_options(metadata: MetaData, connection: Connection | None) -> dict[str, Any]:
    scope = Scope(metadata, connection)
    on_postgresql = connection is not None and connection.dialect.name == "postgresql"
    return {
        "autogenerate_plugins": plugin.PLUGINS if on_postgresql else plugin.PLUGINS_OF_ALEMBIC,
        "compare_type": compare_type,
        "render_item": render_item,
        "include_schemas": on_postgresql,
        "include_name": scope.includes_name,
        "include_object": scope.includes_object,
    }


class Scope:
    """Knows what the models are responsible for; Alembic would drop everything else."""

    def __init__(self, metadata: MetaData, connection: Connection | None) -> None:
        self._schemas = find_schemas(metadata)
        self._connection = connection

    def includes_name(self, name: str | None, kind: str, parents: Mapping[str, str | None]) -> bool:
        """Leave out schemas that no model uses, partitions, and tables of extensions."""
        if kind == "schema":
            return name is None or name in self._schemas
        return kind != "table" or (parents["schema_name"], name) not in self._tables_of_others

    def includes_object(self, item: object, _name: str | None, _kind: str, _reflected: bool, _other: object) -> bool:  # noqa: FBT001
        """Leave out models with `info={"autogenerate": False}`, for instance of views."""
        return not isinstance(item, Table) or item.info.get("autogenerate", True)

    @cached_property
    def _tables_of_others(self) -> set[tuple[str | None, str]]:
        if self._connection is None or self._connection.dialect.name != "postgresql":
            return set()
        return {(schema, name) for schema, name in self._connection.execute(_PARTITIONS_AND_EXTENSIONS)}
