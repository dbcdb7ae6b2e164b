"""Workers report their requests in flight in their names, and a drain waits for them."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

import asyncpg
import pytest
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.dev.testing.databases import PATIENT
from chassis.maintenance.drain import DrainStatus, MaintenanceDrain
from chassis.maintenance.state import MaintenanceState
from chassis.maintenance.store import CHANNEL, SQLServiceContextStore
from chassis.maintenance.watcher import ServiceContextWatcher
from chassis.maintenance.worker_name import (
    Worker,
    closed_gate_name,
    open_gate_name,
    parse_worker_name,
    worker_lock,
)
from chassis.persistence.database import Database
from chassis.persistence.engine import control_connection_arguments
from chassis.persistence.messages import PostgreSQLMessages

ACTIVATION = {"maintenance": True, "since": datetime(2026, 1, 31, tzinfo=UTC)}
DEACTIVATION = {"maintenance": False, "message": None, "expected_end": None, "since": None}
SERVICE = "drain of the tests"
SETTLING = 0.4  # seconds
NAMES = (
    "SELECT application_name FROM pg_stat_activity "
    f"WHERE application_name LIKE '{SERVICE} gate%' AND datname = current_database() ORDER BY 1"
)


class Counter:
    def __init__(self, count: int) -> None:
        self.count = count

    def __call__(self) -> int:
        return self.count


@asynccontextmanager
async def _run_worker(database: Database, in_flight: Counter, service: str = SERVICE) -> AsyncIterator[None]:
    worker_database = Database(database.engine.url, replace(PATIENT, application_name=service))
    state = MaintenanceState(worker_database.close)
    store = SQLServiceContextStore(worker_database)
    messages = PostgreSQLMessages(worker_database)
    async with ServiceContextWatcher(worker_database, store, state, messages, poll_seconds=60).running(in_flight):
        yield
    await worker_database.close()


@asynccontextmanager
async def _create_drain(database: Database) -> AsyncIterator[MaintenanceDrain]:
    operator_database = Database(database.engine.url, replace(PATIENT, application_name=SERVICE))
    drain = MaintenanceDrain(operator_database, SQLServiceContextStore(operator_database), poll_seconds=60)
    drain.settling = SETTLING
    yield drain
    await operator_database.close()


async def _wait_for_names(expected: list[str], database: Database) -> None:
    names: list[str] = []
    try:
        async with asyncio.timeout(30):
            while names != expected:
                async with database.session() as session:
                    names = list((await session.scalars(text(NAMES))).all())
                await asyncio.sleep(0.02)
    except TimeoutError:
        assert names == expected


def _ignore(*_: object) -> None: ...


async def _play_worker(connection: AsyncConnection, name: str) -> None:
    kind, service = worker_lock(SERVICE)
    statement = "SELECT set_config('application_name', :name, false), pg_advisory_lock_shared(:kind, :service)"
    await connection.execute(text(statement), {"name": name, "kind": kind, "service": service})


@pytest.fixture(name="store")
async def _store(database: Database) -> SQLServiceContextStore:
    await _wait_for_names([], database)  # workers of the previous test
    return SQLServiceContextStore(database)


def test_a_worker_name_holds_version_count_and_place() -> None:
    name = closed_gate_name("service", 12, 3)

    assert name.startswith("service gate v12 draining 3 ")
    assert name.endswith(f"/{os.getpid()}")
    assert parse_worker_name(name, "service") == Worker(12, 3, name.removeprefix("service gate v12 draining 3 "))
    assert parse_worker_name(open_gate_name("service"), "service") == Worker(0, 0, "")


@pytest.mark.parametrize(
    "service", ["service", "s", "a-service-with-a-name-that-is-too-long-for-postgresql" * 2, "Ä%_\\.*é"]
)
def test_a_worker_name_fits_into_63_bytes_with_its_numbers(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "deployment-" * 10 + "pod")

    name = closed_gate_name(service, 12345678, 87654321)
    worker = parse_worker_name(name, service)

    assert len(name.encode()) <= 63
    assert worker
    assert (worker.version, worker.in_flight) == (12345678, 87654321)
    assert str(os.getpid()).endswith(worker.place.rpartition("/")[2])


@pytest.mark.parametrize("name", ["service", "services gate", "service gateway", "my service gate", "service gate v1"])
def test_ignores_the_name_of_another_program(name: str) -> None:
    assert parse_worker_name(name, "service") is None


async def test_a_worker_reports_its_requests_in_flight_while_its_gate_is_closed(
    database: Database, store: SQLServiceContextStore
) -> None:
    in_flight = Counter(3)
    async with _run_worker(database, in_flight):
        await _wait_for_names([f"{SERVICE} gate"], database)
        version = (await store.write(ACTIVATION, by="test")).version
        await _wait_for_names([closed_gate_name(SERVICE, version, 3)], database)

        in_flight.count = 0
        await _wait_for_names([closed_gate_name(SERVICE, version, 0)], database)

        await store.write(DEACTIVATION, by="test")
        await _wait_for_names([f"{SERVICE} gate"], database)
    await _wait_for_names([], database)


async def test_a_drain_waits_for_all_workers_of_its_service(database: Database, store: SQLServiceContextStore) -> None:
    busy, statuses = Counter(2), list[DrainStatus]()
    async with (
        _run_worker(database, Counter(0)),
        _run_worker(database, busy),
        _run_worker(database, Counter(7), "another service"),
        _create_drain(database) as drain,
    ):
        await store.write(ACTIVATION, by="test")
        waiting = asyncio.create_task(drain.wait(60, statuses.append))
        async with asyncio.timeout(30):
            while "1 of 2 workers draining (2 in flight)" not in map(str, statuses):
                await asyncio.sleep(0.01)
        await asyncio.sleep(3 * SETTLING)
        assert not waiting.done()
        busy.count = 0
        status = await waiting

    assert (status.is_quiet, status.workers) == (True, 2)


async def test_a_drain_waits_for_a_worker_that_disappears_for_a_moment(database: Database) -> None:
    """The worker has lost its connection while it has requests in flight, and reconnects later."""

    class ScriptedDrain(MaintenanceDrain):
        async def _read_status(self) -> DrainStatus:
            return next(script)

    busy = DrainStatus(active=True, workers=1, draining=[Worker(1, 2, "host/42")])
    quiet = DrainStatus(active=True, workers=0, draining=[])
    script = iter([*[busy] * 3, quiet, busy, *[quiet] * 1000])
    reports = list[DrainStatus]()
    drain = ScriptedDrain(database, SQLServiceContextStore(database), poll_seconds=60)
    drain.settling = SETTLING

    await drain.wait(60, reports.append)

    assert reports[:5] == [*[busy] * 3, quiet, busy]


async def test_a_drain_ends_at_its_timeout(database: Database, store: SQLServiceContextStore) -> None:
    async with _run_worker(database, Counter(5)), _create_drain(database) as drain:
        version = (await store.write(ACTIVATION, by="test")).version
        await _wait_for_names([closed_gate_name(SERVICE, version, 5)], database)
        status = await drain.wait(0.5, _ignore)

    assert (status.is_quiet, status.active, status.workers) == (False, True, 1)
    assert [worker.place.endswith(f"/{os.getpid()}") for worker in status.draining] == [True]


async def test_a_drain_ignores_reports_about_an_earlier_window(
    database: Database, store: SQLServiceContextStore
) -> None:
    version = (await store.write(ACTIVATION, by="test")).version
    async with database.engine.connect() as worker, _create_drain(database) as drain:
        await _play_worker(worker, closed_gate_name(SERVICE, version, 0))
        first_status = await drain.wait(0, _ignore)
        await store.write(DEACTIVATION, by="test")
        await store.write(ACTIVATION, by="test")  # the worker has not noticed it yet
        status = await drain.wait(0, _ignore)
        await worker.execute(text("SELECT set_config('application_name', 'test', false), pg_advisory_unlock_all()"))

    assert first_status.is_quiet
    assert (status.is_quiet, len(status.draining)) == (False, 1)


async def test_a_worker_that_has_not_reported_is_not_quiet(database: Database, store: SQLServiceContextStore) -> None:
    await store.write(ACTIVATION, by="test")
    async with database.engine.connect() as worker, _create_drain(database) as drain:
        await _play_worker(worker, f"{SERVICE} gate")
        status = await drain.wait(0, _ignore)
        await worker.execute(text("SELECT set_config('application_name', 'test', false), pg_advisory_unlock_all()"))

    assert not status.is_quiet


@pytest.mark.parametrize("name", ["", " gate", " gate 2", " gate v1 draining 3 host/1"])
async def test_a_drain_ignores_other_connections_with_the_name_of_a_worker(
    name: str, database: Database, store: SQLServiceContextStore
) -> None:
    """A connection of the application, and one of an application whose name ends in "gate"."""
    await store.write(ACTIVATION, by="test")
    arguments = control_connection_arguments(database.engine.url, SERVICE + name)
    connection = await asyncpg.connect(**arguments)
    try:
        await connection.add_listener(CHANNEL, _ignore)
        async with _create_drain(database) as drain:
            status = await drain.wait(0, _ignore)
    finally:
        await connection.close()

    assert (status.is_quiet, status.workers) == (True, 0)


@pytest.mark.parametrize("service", [f"{SERVICE} gate", f"{SERVICE} gate v1 draining 3 host"])
async def test_a_drain_ignores_the_workers_of_a_service_with_a_similar_name(
    service: str, database: Database, store: SQLServiceContextStore
) -> None:
    await store.write(ACTIVATION, by="test")
    async with (
        _run_worker(database, Counter(0)),
        _run_worker(database, Counter(7), service),
        _create_drain(database) as drain,
    ):
        status = await drain.wait(30, _ignore)

    assert (status.is_quiet, status.workers) == (True, 1)


async def test_a_drain_waits_until_workers_without_a_connection_have_closed_their_gates(
    database: Database, store: SQLServiceContextStore
) -> None:
    await store.write(ACTIVATION, by="test")
    clock = asyncio.get_running_loop().time
    async with _create_drain(database) as drain:
        began = clock()
        status = await drain.wait(0, _ignore)
        duration = clock() - began

    assert (status.is_quiet, status.workers) == (True, 0)
    assert duration >= SETTLING


async def test_a_drain_ends_when_somebody_deactivates_the_window(
    database: Database, store: SQLServiceContextStore
) -> None:
    await store.write(ACTIVATION, by="test")
    async with _run_worker(database, Counter(1)), _create_drain(database) as drain:
        waiting = asyncio.create_task(drain.wait(60, _ignore))
        await asyncio.sleep(0.3)
        await store.write(DEACTIVATION, by="test")
        status = await waiting

    assert (status.active, status.is_quiet) == (False, False)


@pytest.mark.parametrize(
    ("url", "verifiable"),
    [("postgresql+asyncpg://host/database", True), ("postgresql+asyncpg://host/database?pgbouncer=true", False)],
)
def test_a_drain_cannot_be_verified_behind_pgbouncer(url: str, verifiable: bool) -> None:
    database = Database(make_url(url))
    drain = MaintenanceDrain(database, SQLServiceContextStore(database), poll_seconds=2)

    assert drain.is_verifiable == verifiable
    assert drain.settling == pytest.approx(2.9)
