"""A window is quiet when nothing from before it is in flight in any worker of any instance.

A worker connects, reads the row and then serves; the command commits the row and then lists the connections.
So no worker is missed, except one that has lost its control connection: it closes its gate within `settling` seconds,
and within the same time it reconnects unless it is cut off. So all workers must be quiet for that long.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import text

from chassis.maintenance.control_connection import READ_TIMEOUT
from chassis.maintenance.service_context import ServiceContextStore
from chassis.maintenance.worker_name import Worker, parse_worker_name, worker_lock
from chassis.persistence.database import Database
from chassis.persistence.dialects import is_postgresql
from chassis.persistence.pgbouncer import uses_pgbouncer

INTERVAL_SECONDS = 0.25
_NAMES = text(
    "SELECT application_name FROM pg_stat_activity JOIN pg_locks USING (pid) WHERE datname = current_database() "
    "AND locktype = 'advisory' AND granted AND classid = :kind AND objid = :service AND objsubid = 2"  # has two numbers
)


@dataclass(frozen=True, kw_only=True)
class DrainStatus:
    """`active` is the state of the window, `workers` the number of all workers.

    `draining` are the workers that have requests in flight, or have not reported yet that they have none.
    """

    active: bool
    workers: int
    draining: Sequence[Worker]

    @property
    def is_quiet(self) -> bool:
        return self.active and not self.draining

    @property
    def oldest_seconds(self) -> int:
        return max((worker.oldest_seconds for worker in self.draining), default=0)

    def __str__(self) -> str:
        in_flight = sum(worker.in_flight for worker in self.draining)
        return f"{len(self.draining)} of {self.workers} workers draining ({in_flight} in flight)"


class MaintenanceDrain:
    def __init__(self, database: Database, store: ServiceContextStore, *, poll_seconds: float) -> None:
        self.settling = poll_seconds + READ_TIMEOUT
        url = database.engine.url
        self.is_verifiable = is_postgresql(url) and not uses_pgbouncer(url)  # else workers have no names
        self._database = database
        self._store = store

    async def wait(self, timeout: float, report: Callable[[DrainStatus], None]) -> DrainStatus:  # noqa: ASYNC109 - there is a result
        """Return the status once all workers have been quiet for `settling` seconds, or after `timeout` seconds."""
        clock = asyncio.get_running_loop().time
        began, quiet_since = clock(), float("inf")
        while True:
            status = await self._read_status()
            report(status)
            now = clock()
            quiet_since = min(quiet_since, now) if status.is_quiet else float("inf")
            is_late = not status.is_quiet and now - began >= timeout
            if not status.active or is_late or now - quiet_since >= self.settling:
                return status
            await asyncio.sleep(INTERVAL_SECONDS)

    async def _read_status(self) -> DrainStatus:
        """Read the row before the names, because a report about an earlier version is out of date."""
        context = await self._store.read()
        names = await self._read_names() if self.is_verifiable else ()
        workers = [worker for name in names if (worker := parse_worker_name(name, self._service))]
        draining = [worker for worker in workers if worker.version < context.version or worker.in_flight]
        return DrainStatus(active=context.maintenance, workers=len(workers), draining=draining)

    async def _read_names(self) -> Sequence[str]:
        kind, service = worker_lock(self._service)
        async with self._database.session() as session:
            return (await session.scalars(_NAMES, {"kind": kind, "service": service})).all()

    @property
    def _service(self) -> str:
        return self._database.options.application_name
