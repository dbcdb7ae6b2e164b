"""The writes of a repository are synchronous functions of a connection, for `Database.run`."""

from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar, cast

from sqlalchemy import (
    ClauseElement,
    Connection,
    CursorResult,
    Delete,
    Insert,
    Update,
    bindparam,
    delete,
    insert,
    update,
)

from chassis.domain.ports import Key
from chassis.persistence.bulk_insert import BulkInsert, Row
from chassis.persistence.dialects import is_postgresql
from chassis.persistence.entity_loader import EntityLoader, Values, open_session
from chassis.persistence.entity_mapping import EntityMapping
from chassis.persistence.reads import Reads

Entity = TypeVar("Entity")
KEY = "key_of_the_row"  # a parameter; UPDATE reserves the names of columns for their new values


class Writes(Generic[Entity]):
    """The statements that write rows of one model; the ORM executes those to which it adds something."""

    def __init__(self, mapping: EntityMapping, reads: Reads[Entity]) -> None:
        self._mapping = mapping
        self._loader = EntityLoader[Entity](mapping)
        self._reads = reads
        self.bulk_insert = BulkInsert(mapping.model)
        has_key = mapping.key == bindparam(KEY, type_=mapping.key_type)
        self._delete = delete(mapping.model if mapping.table is None else mapping.table).where(has_key)
        target: Any = mapping.model if mapping.columns is None else mapping.table
        self._insert_silently = insert(target).execution_options(render_nulls=True)
        self._insert = self._returning(insert(target))
        self._insert_in_order = self._returning(insert(target), in_order=True)
        self._update = self._returning(update(target).where(has_key))

    def create(self, row: Row, connection: Connection) -> list[Entity]:
        return self._store(self._insert, self._mapping.name_columns(row), connection)

    def create_many(self, groups: Sequence[Mapping[int, Row]], connection: Connection) -> list[Entity]:
        """Insert groups of rows that name the same columns, each row by its place; return them in this order."""
        created = dict[int, Entity]()
        for group in groups:
            created.update(zip(group, self._create_group(list(group.values()), connection), strict=True))
        return [created[place] for place in sorted(created)]

    def update(self, object_id: Key, row: Row, connection: Connection) -> list[Entity]:
        row = self._mapping.name_columns(row)
        if self._mapping.columns is None or any(map(_is_expression, row.values())):
            return self._store(self._update.values(row), {KEY: object_id}, connection)
        return self._store(self._update, {**row, KEY: object_id}, connection)

    def delete(self, object_id: Key, connection: Connection) -> int:
        """Return the number of rows that were deleted."""
        if self._mapping.table is None:
            return self.change(self._delete, connection, {KEY: object_id})
        return connection.execute(self._delete, {KEY: object_id}).rowcount

    def change(self, statement: Update | Delete, connection: Connection, values: Row | None = None) -> int:
        """Return the number of rows that were changed or deleted."""
        with open_session(connection) as session:
            result = session.execute(statement, values, execution_options={"synchronize_session": False})
            return cast("CursorResult[Any]", result).rowcount

    def _create_group(self, rows: list[Row], connection: Connection) -> list[Entity]:
        key_query = self.bulk_insert.key_query(rows)
        if key_query is None or not is_postgresql(connection.engine.url):
            return self._store(self._insert_in_order, [self._mapping.name_columns(row) for row in rows], connection)
        keys = connection.scalars(key_query).all()
        named = [{**row, self.bulk_insert.key_name: key} for row, key in zip(rows, keys, strict=True)]
        with open_session(connection) as session:
            session.execute(self._insert_silently, [self._mapping.name_columns(row) for row in named])
        return self._reads.get_many(keys, connection)

    def _store(self, statement: Insert | Update, values: Values, connection: Connection) -> list[Entity]:
        """Read what was stored from the statement itself, if possible."""
        if not self._mapping.needs_select:
            return self._loader.fetch(statement, values, connection)
        with open_session(connection) as session:
            keys = session.scalars(statement, values).all()
        return self._reads.get_many(keys, connection)

    def _returning(self, statement: Insert | Update, *, in_order: bool = False) -> Any:  # noqa: ANN401 - the same kind
        """Let the statement return what was stored, or its key if only a SELECT can read it."""
        selection = [self._mapping.key] if self._mapping.needs_select else self._mapping.selection
        order = {"sort_by_parameter_order": True} if in_order else {}
        returning: Any = statement.returning(*selection, **order)
        if not self._mapping.needs_select:
            returning = returning.options(*self._mapping.options)
        # Without `render_nulls`, rows with None and rows without would be different statements.
        return returning.execution_options(synchronize_session=False, render_nulls=True)


def _is_expression(value: object) -> bool:
    return isinstance(value, ClauseElement) or hasattr(value, "__clause_element__")
