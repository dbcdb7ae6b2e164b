"""Reads the pages of a list by keyset, and writes their cursors."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from sqlalchemy import CompoundSelect, Executable, Select, literal_column, or_, union_all
from sqlalchemy.exc import DBAPIError, StatementError
from sqlalchemy.ext.asyncio import AsyncSession

from chassis.domain.cursor import cursor_scope, invalid_cursor, read_cursor, write_cursor
from chassis.domain.pagination import PAGE_PARAMS, PageRequest
from chassis.domain.ports import Key, Params
from chassis.persistence.database import Database
from chassis.persistence.dialects import is_postgresql
from chassis.persistence.filters import Condition
from chassis.persistence.keyset import Keyset

SORT_LABEL = "sort_"


class KeysetPages:
    """Reads the keys of a page and writes the cursor of the next one, for one list with its order and filters."""

    def __init__(self, keyset: Keyset, owner: str, query_params: Params) -> None:
        filters = {name: query_params[name] for name in query_params if name not in PAGE_PARAMS}
        self._keyset = keyset
        self._scope = cursor_scope(owner, keyset.fields, filters)

    async def read(
        self, database: Database, matching: Select[Any], request: PageRequest
    ) -> tuple[list[Key], str | None]:
        """Return the keys and the cursor of the next page, which is None at the end.

        Raises:
            ValidationError: the cursor is not one of this list.
        """
        labelled = [each.label(f"{SORT_LABEL}{place}") for place, each in enumerate(self._keyset.expressions)]
        size = request.per_page + 1
        page = matching.with_only_columns(*labelled).order_by(None).order_by(*self._keyset.order()).limit(size)
        conditions = self._conditions(request.cursor)
        if len(conditions) < 2:
            rows = await self._fetch(database, page.where(*conditions))
        elif is_postgresql(database.engine.url):
            rows = await self._fetch(database, self._merge(page, conditions, size))
        else:  # SQLite has no parentheses around a SELECT with a limit
            rows = await self._fetch(database, page.where(or_(*conditions)))
        found = rows[: request.per_page]
        next_cursor = write_cursor(found[-1], self._scope) if len(rows) > len(found) else None
        return [row[-1] for row in found], next_cursor

    def _conditions(self, cursor: object) -> list[Condition]:
        """Return no condition for the first page."""
        if cursor == "":
            return []
        return self._keyset.after(read_cursor(cursor, self._scope, len(self._keyset.columns)))

    def _merge(self, page: Select[Any], conditions: Sequence[Condition], size: int) -> CompoundSelect[Any]:
        """Take from the first rows of each range those that come first."""
        order = [
            replace(column, expression=literal_column(f"{SORT_LABEL}{place}"))
            for place, column in enumerate(self._keyset.columns)
        ]
        ranges = [page.where(condition) for condition in conditions]
        return union_all(*ranges).order_by(*[column.order() for column in order]).limit(size)

    async def _fetch(self, database: Database, statement: Executable) -> Sequence[Any]:
        try:
            return await database.read(partial(_read_rows, statement))
        except StatementError as error:
            if isinstance(error, DBAPIError):
                raise
            raise invalid_cursor() from error  # a type of the service refused the value


async def _read_rows(statement: Executable, session: AsyncSession) -> Sequence[Any]:
    rows: Sequence[Any] = (await session.execute(statement)).all()
    return rows
