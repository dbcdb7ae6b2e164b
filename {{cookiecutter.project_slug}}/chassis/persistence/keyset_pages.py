"""Reads the pages of a list by keyset, and writes their cursors."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from sqlalchemy import Connection, Executable, Integer, bindparam, literal_column, or_, union_all
from sqlalchemy.exc import DBAPIError, StatementError

from chassis.domain.cursor import cursor_scope, invalid_cursor, read_cursor, write_cursor
from chassis.domain.pagination import PAGE_PARAMS, PageRequest
from chassis.domain.ports import Key, Params
from chassis.persistence.dialects import is_postgresql
from chassis.persistence.keyset import Keyset, parameter_name
from chassis.persistence.prepared import LIMIT, PreparedStatements
from chassis.persistence.queries import Listing, Query

SORT_LABEL = "sort_"


class KeysetPages:
    """Reads the keys of a page and writes the cursor of the next one, for one list with its order and filters."""

    def __init__(self, listing: Listing, query_params: Params) -> None:
        filters = {name: query_params[name] for name in query_params if name not in PAGE_PARAMS}
        self.keyset = listing.keyset
        self._matching = listing.matching
        self._scope = cursor_scope(listing.name, listing.keyset.fields, filters)

    def read(
        self, request: PageRequest, prepared: PreparedStatements, connection: Connection
    ) -> tuple[list[Key], str | None]:
        """Return the keys and the cursor of the next page, which is None at the end.

        Raises:
            ValidationError: the cursor is not one of this list.
        """
        start = self._start(request.cursor)
        build = partial(_select_keys, self.keyset, start, is_postgresql(connection.engine.url))
        # The conditions depend on which values are null, and on their types if the columns have none.
        statement = prepared.get(("cursor", self.keyset.fields, *map(type, start)), self._matching, build)
        parameters = {parameter_name(place): value for place, value in enumerate(start)}
        rows = _fetch(statement, {**parameters, LIMIT: request.per_page + 1}, connection)
        found = rows[: request.per_page]
        next_cursor = write_cursor(found[-1], self._scope) if len(rows) > len(found) else None
        return [row[-1] for row in found], next_cursor

    def _start(self, cursor: object) -> list[Any]:
        """Return the values of the row after which the page starts; none for the first page."""
        if cursor == "":
            return []
        return self.keyset.read(read_cursor(cursor, self._scope, len(self.keyset.columns)))


def _select_keys(keyset: Keyset, start: Sequence[object], is_postgresql: bool, matching: Query) -> Executable:  # noqa: FBT001
    labelled = [each.label(f"{SORT_LABEL}{place}") for place, each in enumerate(keyset.expressions)]
    limit = bindparam(LIMIT, type_=Integer)
    page = matching.with_only_columns(*labelled).order_by(None).order_by(*keyset.order()).limit(limit)
    conditions = keyset.after(start) if start else []
    if len(conditions) < 2:
        return page.where(*conditions)
    if not is_postgresql:  # SQLite has no parentheses around a SELECT with a limit
        return page.where(or_(*conditions))
    # Take from the first rows of each range those that come first.
    merged = [
        replace(column, expression=literal_column(f"{SORT_LABEL}{place}"))
        for place, column in enumerate(keyset.columns)
    ]
    ranges = [page.where(condition) for condition in conditions]
    return union_all(*ranges).order_by(*[column.order() for column in merged]).limit(limit)


def _fetch(statement: Executable, values: Params, connection: Connection) -> Sequence[Any]:
    try:
        return connection.execute(statement, values).all()
    except StatementError as error:
        if isinstance(error, DBAPIError):
            raise
        raise invalid_cursor() from error  # a type of the service refused the value
