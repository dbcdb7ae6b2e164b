"""What closed workers say about themselves, and how a drain is waited for."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import make_url, text

from chassis.dev.testing.databases import PATIENT
from chassis.maintenance.drain import DrainStatus, MaintenanceDrain
from chassis.maintenance.state import MaintenanceState
from chassis.maintenance.store import SQLServiceContextStore
from chassis.maintenance.watcher import ServiceContextWatcher
from chassis.maintenance.worker_name import Worker, closed_gate_name, open_gate_name, parse_worker_name
from chassis.persistence.database import Database

ON = {"maintenance": True, "since": datetime(2026, 1, 31, tzinfo=UTC)}
OFF = {"maintenance": False, "message": None, "expected_end": None, "since": None}
SERVICE = "drain of the tests"
SETTLING = 0.4  # seconds
NAMES = (
    "SELECT application_name FROM pg_stat_activity "
    f"WHERE application_name LIKE '{SERVICE} gate%' AND datname = current_database() ORDER BY 1"
)


class InFlight:
    def __init__(self, count: int) -> None:
        self.count = count

    def __call__(self) -> int:
        return self.count


@asynccontextmanager
async def _worker(database: Database, in_flight: InFlight, service: str = SERVICE) -> AsyncIterator[None]:
    own = Database(database.engine.url, replace(PATIENT, application_name=service))
    state = MaintenanceState(own.close)
    async with ServiceContextWatcher(own, SQLServiceContextStore(own), state, poll_seconds=60).running(in_flight):
        yield
    await own.close()


@asynccontextmanager
async def _drain(database: Database) -> AsyncIterator[MaintenanceDrain]:
    own = Database(database.engine.url, replace(PATIENT, application_name=SERVICE))
    drain = MaintenanceDrain(own, SQLServiceContextStore(own), poll_seconds=60)
    drain.settling = SETTLING
    yield drain
    await own.close()


async def _until_names_are(expected: list[str], database: Database) -> None:
    names: list[str] = []
    try:
        async with asyncio.timeout(30):
            while names != expected:
                async with database.session() as session:
                    names = list((await session.scalars(text(NAMES))).all())
                await asyncio.sleep(0.02)
    except TimeoutError:
        assert names == expected


def _ignored(_look: DrainStatus) -> None: ...


@pytest.fixture(name="store")
async def _store(database: Database) -> SQLServiceContextStore:
    await _until_names_are([], database)  # workers of the test before
    return SQLServiceContextStore(database)


def test_a_name_says_version_count_and_place() -> None:
    name = closed_gate_name("service", 12, 3)

    assert name.startswith("service gate v12 draining 3 ")
    assert name.endswith(f"/{os.getpid()}")
    assert parse_worker_name(name, "service") == Worker(12, 3, name.removeprefix("service gate v12 draining 3 "))
    assert parse_worker_name(open_gate_name("service"), "service") == Worker(0, 0, "")


@pytest.mark.parametrize(
    "service", ["service", "s", "a-service-with-a-name-that-is-too-long-for-postgresql" * 2, "Ä%_\\.*é"]
)
def test_a_name_fits_and_what_is_parsed_is_complete(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "deployment-" * 10 + "pod")

    name = closed_gate_name(service, 12345678, 87654321)
    worker = parse_worker_name(name, service)

    assert len(name.encode()) <= 63
    assert worker
    assert (worker.version, worker.in_flight) == (12345678, 87654321)
    assert str(os.getpid()).endswith(worker.place.rpartition("/")[2])


@pytest.mark.parametrize("name", ["service", "services gate", "service gateway", "my service gate", "service gate v1"])
def test_the_name_of_somebody_else_is_not_parsed(name: str) -> None:
    assert parse_worker_name(name, "service") is None


async def test_a_worker_tells_what_is_in_flight_while_it_is_closed(
    database: Database, store: SQLServiceContextStore
) -> None:
    in_flight = InFlight(3)
    async with _worker(database, in_flight):
        await _until_names_are([f"{SERVICE} gate"], database)
        version = (await store.write(ON, by="test")).version
        await _until_names_are([closed_gate_name(SERVICE, version, 3)], database)

        in_flight.count = 0
        await _until_names_are([closed_gate_name(SERVICE, version, 0)], database)

        await store.write(OFF, by="test")
        await _until_names_are([f"{SERVICE} gate"], database)
    await _until_names_are([], database)


async def test_a_drain_waits_for_all_workers_of_its_service(database: Database, store: SQLServiceContextStore) -> None:
    busy, looks = InFlight(2), list[DrainStatus]()
    async with (
        _worker(database, InFlight(0)),
        _worker(database, busy),
        _worker(database, InFlight(7), "somebody else"),
        _drain(database) as drain,
    ):
        await store.write(ON, by="test")
        waiting = asyncio.create_task(drain.wait(60, looks.append))
        async with asyncio.timeout(30):
            while "1 of 2 workers draining (2 in flight)" not in map(str, looks):
                await asyncio.sleep(0.01)
        await asyncio.sleep(3 * SETTLING)
        assert not waiting.done()
        busy.count = 0
        look = await waiting

    assert (look.is_quiet, look.workers) == (True, 2)


async def test_a_worker_that_is_out_of_sight_for_a_moment_is_not_quiet(database: Database) -> None:
    """It lost its connection, with what it has in flight, and has a new one later."""

    class Scripted(MaintenanceDrain):
        async def _read_status(self) -> DrainStatus:
            return next(looks)

    busy = DrainStatus(active=True, workers=1, draining=[Worker(1, 2, "host/42")])
    quiet = DrainStatus(active=True, workers=0, draining=[])
    looks = iter([*[busy] * 3, quiet, busy, *[quiet] * 1000])
    told = list[DrainStatus]()
    drain = Scripted(database, SQLServiceContextStore(database), poll_seconds=60)
    drain.settling = SETTLING

    await drain.wait(60, told.append)

    assert told[:5] == [*[busy] * 3, quiet, busy]


async def test_a_drain_ends_when_time_is_over(database: Database, store: SQLServiceContextStore) -> None:
    async with _worker(database, InFlight(5)), _drain(database) as drain:
        version = (await store.write(ON, by="test")).version
        await _until_names_are([closed_gate_name(SERVICE, version, 5)], database)
        look = await drain.wait(0.5, _ignored)

    assert (look.is_quiet, look.active, look.workers) == (False, True, 1)
    assert [worker.place.endswith(f"/{os.getpid()}") for worker in look.draining] == [True]


async def test_what_was_said_about_an_earlier_window_does_not_count(
    database: Database, store: SQLServiceContextStore
) -> None:
    version = (await store.write(ON, by="test")).version
    async with database.engine.connect() as late, _drain(database) as drain:  # a worker that has not followed yet
        name = closed_gate_name(SERVICE, version, 0)
        await late.execute(text("SELECT set_config('application_name', :name, false)"), {"name": name})
        drained = await drain.wait(0, _ignored)
        await store.write(OFF, by="test")
        await store.write(ON, by="test")
        look = await drain.wait(0, _ignored)
        await late.execute(text("SELECT set_config('application_name', 'test', false)"))

    assert drained.is_quiet
    assert (look.is_quiet, len(look.draining)) == (False, 1)


async def test_a_worker_that_has_said_nothing_is_not_quiet(database: Database, store: SQLServiceContextStore) -> None:
    await store.write(ON, by="test")
    async with database.engine.connect() as connecting, _drain(database) as drain:
        await connecting.execute(text(f"SELECT set_config('application_name', '{SERVICE} gate', false)"))
        look = await drain.wait(0, _ignored)
        await connecting.execute(text("SELECT set_config('application_name', 'test', false)"))

    assert not look.is_quiet


async def test_a_drain_takes_as_long_as_a_worker_without_its_connection_needs_to_close(
    database: Database, store: SQLServiceContextStore
) -> None:
    await store.write(ON, by="test")
    clock = asyncio.get_running_loop().time
    async with _drain(database) as drain:
        began = clock()
        look = await drain.wait(0, _ignored)
        took = clock() - began

    assert (look.is_quiet, look.workers) == (True, 0)
    assert took >= SETTLING


async def test_a_drain_ends_when_somebody_opens_the_window(database: Database, store: SQLServiceContextStore) -> None:
    await store.write(ON, by="test")
    async with _worker(database, InFlight(1)), _drain(database) as drain:
        waiting = asyncio.create_task(drain.wait(60, _ignored))
        await asyncio.sleep(0.3)
        await store.write(OFF, by="test")
        look = await waiting

    assert (look.active, look.is_quiet) == (False, False)


@pytest.mark.parametrize(
    ("url", "verifiable"),
    [("postgresql+asyncpg://host/database", True), ("postgresql+asyncpg://host/database?pgbouncer=true", False)],
)
def test_through_pgbouncer_nothing_can_be_verified(url: str, verifiable: bool) -> None:
    database = Database(make_url(url))
    drain = MaintenanceDrain(database, SQLServiceContextStore(database), poll_seconds=2)

    assert drain.is_verifiable == verifiable
    assert drain.settling == pytest.approx(2.9)
