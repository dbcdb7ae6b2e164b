"""Knows when the window is quiet: nothing that began before it is in flight any more, in no worker.

A worker connects, so that it is seen, then reads the row, then serves; here the row has been committed, then we look.
So no worker is missed, except one without its control connection: that one has closed after `settling` seconds,
and in as many has another, unless it is cut off; so it has to be quiet for that long.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import text

from src.domain.ports import ServiceContextPort
from src.infrastructure.databases.control_connection import READ_TIMEOUT
from src.infrastructure.databases.database import Database
from src.infrastructure.databases.dialects import is_postgresql
from src.infrastructure.databases.gate_name import Worker, open_name, parse
from src.infrastructure.databases.pgbouncer import through_pgbouncer

LOOK_SECONDS = 0.25
_NAMES = text(
    "SELECT application_name FROM pg_stat_activity "
    "WHERE datname = current_database() AND starts_with(application_name, :gate)"
)


@dataclass(frozen=True, kw_only=True)
class Look:
    """`closed` is the window, `workers` counts all, `draining` are those that are not quiet, or have not said so."""

    closed: bool
    workers: int
    draining: Sequence[Worker]

    @property
    def quiet(self) -> bool:
        return self.closed and not self.draining

    def __str__(self) -> str:
        in_flight = sum(worker.in_flight for worker in self.draining)
        return f"{len(self.draining)} of {self.workers} workers draining ({in_flight} in flight)"


class MaintenanceDrain:
    def __init__(self, database: Database, repository: ServiceContextPort, *, poll_seconds: float) -> None:
        self.settling = poll_seconds + READ_TIMEOUT
        url = database.engine.url
        self.verifiable = is_postgresql(url) and not through_pgbouncer(url)  # else workers have no names of their own
        self._database = database
        self._repository = repository

    async def wait(self, timeout: float, tell: Callable[[Look], None]) -> Look:  # noqa: ASYNC109 - there is a result
        """The last look: after `settling` seconds in which all were quiet, or that after `timeout` seconds."""
        clock = asyncio.get_running_loop().time
        began, quiet_since = clock(), float("inf")
        while True:
            look = await self._look()
            tell(look)
            now = clock()
            quiet_since = min(quiet_since, now) if look.quiet else float("inf")
            if not look.closed or now - quiet_since >= self.settling or (not look.quiet and now - began >= timeout):
                return look
            await asyncio.sleep(LOOK_SECONDS)

    async def _look(self) -> Look:
        """First the row, then the names: what a worker says about an earlier version is out of date."""
        context = await self._repository.current()
        names = await self._names() if self.verifiable else ()
        workers = [worker for name in names if (worker := parse(name, self._service))]
        draining = [worker for worker in workers if worker.version < context.version or worker.in_flight]
        return Look(closed=context.maintenance, workers=len(workers), draining=draining)

    async def _names(self) -> Sequence[str]:
        async with self._database.session() as session:
            return (await session.scalars(_NAMES, {"gate": open_name(self._service)})).all()

    @property
    def _service(self) -> str:
        return self._database.options.application_name
