"""The SQL of the maintenance window: reading also works while the table is altered, and a change is one statement."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

from sqlalchemy import Insert, RowMapping, Table, Update, func, or_, select, text, true, update
from sqlalchemy.ext.asyncio import AsyncSession

from chassis.domain.ports import Params
from chassis.maintenance.service_context import ServiceContext, ServiceContextStore
from chassis.maintenance.table import ServiceContextModel
from chassis.persistence.database import Database
from chassis.persistence.dialects import is_postgresql, upsert

CHANNEL = "service_context"
READ = "SELECT to_jsonb(s) FROM service_context s WHERE id = 1"  # names no column that could change
_READ_ELSEWHERE = "SELECT * FROM service_context WHERE id = 1"
_TABLE = cast("Table", ServiceContextModel.__table__)


class SQLServiceContextStore(ServiceContextStore):
    def __init__(self, database: Database) -> None:
        self._database = database
        self._url = database.engine.url

    async def read(self) -> ServiceContext:
        statement = text(READ if is_postgresql(self._url) else _READ_ELSEWHERE)

        async def query(session: AsyncSession) -> ServiceContext:
            return _from_row((await session.execute(statement)).mappings().one_or_none())

        return await self._database.read(query)

    async def write(self, values: Params, *, by: str, force: bool = False) -> ServiceContext:
        statement = self._statement(dict(values), by, force=force)
        if is_postgresql(self._url):
            row_as_json = func.to_jsonb(_TABLE.table_valued()).label("to_jsonb")
            changed = statement.returning(row_as_json).cte("changed")
            notification = func.pg_notify(CHANNEL, "changed")  # in the transaction, so it is sent at its commit
            query: Any = select(changed, notification).select_from(changed)
        else:
            query = statement.returning(*_TABLE.c)
        async with self._database.session() as session:
            row = (await session.execute(query)).mappings().one_or_none()
        return _from_row(row) if row else await self.read()

    def _statement(self, values: dict[str, Any], by: str, *, force: bool) -> Insert | Update:
        differences = [_TABLE.c[name].is_distinct_from(value) for name, value in values.items() if name != "since"]
        differs = true() if force else or_(*differences)
        assignments = {**values, "version": _TABLE.c.version + 1, "updated_at": func.now(), "updated_by": by}
        if not values.get("maintenance"):
            return update(_TABLE).where(_TABLE.c.id == 1, _TABLE.c.maintenance, differs).values(assignments)
        assignments["since"] = func.coalesce(_TABLE.c.since, values["since"])
        first_row = upsert(self._url, _TABLE).values(id=1, version=1, updated_by=by, **values)
        return first_row.on_conflict_do_update(index_elements=[_TABLE.c.id], set_=assignments, where=differs)


def parse_context(row: str | Mapping[str, Any] | None) -> ServiceContext:
    """Read a service context from JSON or from a row, which may lack columns and have others."""
    values: Mapping[str, Any] = json.loads(row) if isinstance(row, str) else (row or {})
    return ServiceContext(
        maintenance=bool(values.get("maintenance", False)),
        message=values.get("message"),
        expected_end=_parse_moment(values.get("expected_end")),
        since=_parse_moment(values.get("since")),
        version=int(values.get("version") or 0),
    )


def _from_row(row: RowMapping | None) -> ServiceContext:
    values: Mapping[str, Any] = dict(row) if row else {}
    return parse_context(values.get("to_jsonb", values))


def _parse_moment(value: str | datetime | None) -> datetime | None:
    """Return None also for a value that Python cannot represent, because the other fields must be known."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:  # "infinity", or the year 10000
        return None
    return moment.replace(tzinfo=UTC) if moment and moment.tzinfo is None else moment
