"""The one row of `service_context`: read so that altering its table cannot break it, changed by one statement."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

from sqlalchemy import Insert, RowMapping, Table, Update, func, or_, select, text, true, update
from sqlalchemy.ext.asyncio import AsyncSession

from src.domain.ports import ServiceContextPort
from src.domain.service_context import ServiceContext
from src.infrastructure.databases.database import Database
from src.infrastructure.databases.dialects import is_postgresql, upsert
from src.infrastructure.models.service_context import ServiceContextModel

CHANNEL = "service_context"
READ = "SELECT to_jsonb(s) FROM service_context s WHERE id = 1"  # of no fixed columns: no plan that could be stale
_READ_ELSEWHERE = "SELECT * FROM service_context WHERE id = 1"
_TABLE = cast("Table", ServiceContextModel.__table__)


class ServiceContextRepository(ServiceContextPort):
    def __init__(self, database: Database) -> None:
        self._database = database
        self._url = database.engine.url

    async def current(self) -> ServiceContext:
        statement = text(READ if is_postgresql(self._url) else _READ_ELSEWHERE)

        async def query(session: AsyncSession) -> ServiceContext:
            return _context_of((await session.execute(statement)).mappings().one_or_none())

        return await self._database.read(query)

    async def change(self, values: Mapping[str, Any], *, by: str, anew: bool = False) -> ServiceContext:
        statement = self._statement(dict(values), by, anew=anew)
        if is_postgresql(self._url):
            row_as_json = func.to_jsonb(_TABLE.table_valued()).label("to_jsonb")
            changed = statement.returning(row_as_json).cte("changed")
            notified = func.pg_notify(CHANNEL, "changed")  # in the transaction of the change: told when it is committed
            query: Any = select(changed, notified).select_from(changed)
        else:
            query = statement.returning(*_TABLE.c)
        async with self._database.session() as session:
            row = (await session.execute(query)).mappings().one_or_none()
        return _context_of(row) if row else await self.current()

    def _statement(self, values: dict[str, Any], by: str, *, anew: bool) -> Insert | Update:
        other = [_TABLE.c[name].is_distinct_from(value) for name, value in values.items() if name != "since"]
        differs = true() if anew else or_(*other)
        assignments = {**values, "version": _TABLE.c.version + 1, "updated_at": func.now(), "updated_by": by}
        if not values.get("maintenance"):
            return update(_TABLE).where(_TABLE.c.id == 1, _TABLE.c.maintenance, differs).values(assignments)
        assignments["since"] = func.coalesce(_TABLE.c.since, values["since"])
        inserted = upsert(self._url, _TABLE).values(id=1, version=1, updated_by=by, **values)
        return inserted.on_conflict_do_update(index_elements=[_TABLE.c.id], set_=assignments, where=differs)


def _context_of(row: RowMapping | None) -> ServiceContext:
    values: Mapping[str, Any] = dict(row) if row else {}
    return context_of(values.get("to_jsonb", values))


def context_of(row: str | Mapping[str, Any] | None) -> ServiceContext:
    """From JSON or a row, which may lack columns and have others."""
    values: Mapping[str, Any] = json.loads(row) if isinstance(row, str) else (row or {})
    return ServiceContext(
        maintenance=bool(values.get("maintenance", False)),
        message=values.get("message"),
        expected_end=_moment(values.get("expected_end")),
        since=_moment(values.get("since")),
        version=int(values.get("version") or 0),
    )


def _moment(value: str | datetime | None) -> datetime | None:
    """None as well for what Python has no datetime for: whether the window is on must be known all the same."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:  # "infinity", or the year 10000
        return None
    return moment.replace(tzinfo=UTC) if moment and moment.tzinfo is None else moment
