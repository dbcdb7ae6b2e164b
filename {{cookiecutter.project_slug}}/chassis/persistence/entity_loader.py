"""Rows become entities without an instance of the model in between, unless only an instance has what they need."""

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, Executable, Row
from sqlalchemy.orm import Session

from chassis.persistence.entity_mapping import EntityMapping
from chassis.persistence.loading import set_back_references

Entity = TypeVar("Entity")
Values = Any  # of the parameters of a statement, or a list of them


def open_session(connection: Connection) -> Session:
    """Open a session for statements that only the ORM can execute, in the transaction of the connection."""
    return Session(connection, autoflush=False, join_transaction_mode="rollback_only")


class EntityLoader(Generic[Entity]):
    """Executes statements that select what the mapping selects, and builds the entities of a repository."""

    def __init__(self, mapping: EntityMapping) -> None:
        self._mapping = mapping

    def fetch(self, statement: Executable, values: Values, connection: Connection) -> list[Entity]:
        entities, _ = self.fetch_rows(statement, values, connection)
        return entities

    def fetch_rows(
        self, statement: Executable, values: Values, connection: Connection
    ) -> tuple[list[Entity], Sequence[Row[Any]]]:
        """Return the entities and their rows; a statement may select more, after what the mapping selects."""
        if self._mapping.columns:
            rows = connection.execute(statement, values).all()
            return self._build(rows), rows
        with open_session(connection) as session:
            result = session.execute(statement, values)
            if self._mapping.selection == [self._mapping.model]:
                rows = result.unique().all()
                return self._detach([row[0] for row in rows], session), rows
            rows = result.all()
            return self._build(rows), rows

    def _build(self, rows: Sequence[Row[Any]]) -> list[Entity]:
        create: Any = self._mapping.entity_class
        names = self._mapping.fields
        return [create(**dict(zip(names, row, strict=False))) for row in rows]

    def _detach(self, models: list[Any], session: Session) -> list[Entity]:
        """Remove the models from the session, so that they belong to none when they are returned."""
        if self._mapping.entity is not None:
            return self._mapping.entity.build_all(models)
        if self._mapping.needs_select:
            set_back_references(session)
        session.expunge_all()
        return models
