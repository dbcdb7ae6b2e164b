"""How the state of a process follows the row; with faults made for real."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

import pytest
from sqlalchemy import make_url, text

from chassis.dev.testing.databases import PATIENT
from chassis.maintenance import control_connection
from chassis.maintenance import watcher as service_context_watcher
from chassis.maintenance.service_context import ServiceContext
from chassis.maintenance.state import MaintenanceState
from chassis.maintenance.store import SQLServiceContextStore
from chassis.maintenance.watcher import ServiceContextWatcher
from chassis.persistence.database import Database

ON = {"maintenance": True, "since": datetime(2026, 1, 31, tzinfo=UTC)}
OFF = {"maintenance": False, "message": None, "expected_end": None, "since": None}
NEVER = 60.0  # seconds between polls: only a notification is in time
OPTIONS = replace(PATIENT, application_name="watcher of the tests")
GATES = f"application_name LIKE '{OPTIONS.application_name} gate%' AND datname = current_database()"


@asynccontextmanager
async def _watched(database: Database, poll_seconds: float = NEVER) -> AsyncIterator[MaintenanceState]:
    own = Database(database.engine.url, OPTIONS)
    state = MaintenanceState(own.close)
    async with ServiceContextWatcher(own, SQLServiceContextStore(own), state, poll_seconds=poll_seconds).running(_idle):
        yield state
    await own.close()


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(NEVER / 2):
        while not condition():
            await asyncio.sleep(0.005)


def _idle() -> int:
    return 0


def _knows(state: MaintenanceState, row: ServiceContext) -> bool:
    return state.context == row


@pytest.fixture(name="store")
def _store(database: Database) -> SQLServiceContextStore:
    return SQLServiceContextStore(database)


async def test_knows_the_state_when_it_runs(
    database: Database, store: SQLServiceContextStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_context_watcher, "READ_TIMEOUT", NEVER)
    await store.write(ON, by="test")

    async with _watched(database) as state:
        assert (state.known, state.gate_closed, state.context.stale) == (True, True, False)


async def test_follows_a_notification(database: Database, store: SQLServiceContextStore) -> None:
    async with _watched(database) as state:
        await store.write(ON, by="test")
        await _until(lambda: state.gate_closed)

        await store.write(OFF, by="test")
        await _until(lambda: not state.gate_closed)


async def test_follows_without_notifications_by_polling(database: Database) -> None:
    async with _watched(database, poll_seconds=0.1) as state, database.session() as session:
        await session.execute(
            text("INSERT INTO service_context (id, maintenance, version) VALUES (1, true, 1)")  # tells nobody
        )
        await _until(lambda: state.gate_closed)


async def test_a_storm_ends_with_the_state_of_the_row(database: Database, store: SQLServiceContextStore) -> None:
    async with _watched(database) as first, _watched(database) as second:
        for number in range(40):
            await store.write(OFF if number % 2 else ON, by="test")
        row = await store.write(ON, by="test")

        await _until(lambda: first.context == second.context == row)


async def test_recovers_from_a_killed_connection(database: Database, store: SQLServiceContextStore) -> None:
    async with _watched(database) as state:
        await _kill_control_connections(database)
        await store.write(ON, by="test")

        await _until(lambda: state.gate_closed)


async def test_reconnects_leak_neither_task_nor_connection(database: Database, store: SQLServiceContextStore) -> None:
    async with _watched(database) as state:
        await store.write(ON, by="test")
        await _until(lambda: state.gate_closed)
        tasks = len(asyncio.all_tasks())
        for number in range(10):
            await _kill_control_connections(database)
            row = await store.write({"message": str(number)}, by="test")
            await _until(partial(_knows, state, row))

        assert len(asyncio.all_tasks()) <= tasks
        await _until_control_connections_are(1, database)
    await _until_control_connections_are(0, database)


async def test_is_closed_and_unknown_until_the_database_answers() -> None:
    nowhere = Database(make_url("postgresql+asyncpg://nobody@127.0.0.1:1/nothing"))
    state = MaintenanceState(nowhere.close)
    watcher = ServiceContextWatcher(nowhere, SQLServiceContextStore(nowhere), state, poll_seconds=NEVER)

    async with watcher.running(_idle):
        assert (state.gate_closed, state.known) == (True, False)


async def test_a_locked_table_leaves_the_last_known_state(database: Database, store: SQLServiceContextStore) -> None:
    await store.write(ON, by="test")
    async with _watched(database, poll_seconds=0.1) as state:
        async with database.transaction(), database.session() as session:
            await session.execute(text("LOCK TABLE service_context IN ACCESS EXCLUSIVE MODE"))
            await _until(lambda: state.context.stale)

            assert state.gate_closed
        await _until(lambda: not state.context.stale)


async def test_ends_quickly_when_the_database_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    async def swallow(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            writer.close()

    server = await asyncio.start_server(swallow, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    silent = Database(make_url(f"postgresql+asyncpg://nobody@127.0.0.1:{port}/nothing"), OPTIONS)
    state = MaintenanceState(silent.close)
    watcher = ServiceContextWatcher(silent, SQLServiceContextStore(silent), state, poll_seconds=0.1)

    async with watcher.running(_idle):
        monkeypatch.setattr(control_connection, "CONNECT_TIMEOUT", NEVER)  # of the second attempt
        await asyncio.sleep(0.5)
        started = time.perf_counter()
    await silent.close()
    ended = time.perf_counter() - started
    server.close()

    assert ended < 10


async def _kill_control_connections(database: Database) -> None:
    async with database.session() as session:
        await session.execute(text(f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE {GATES}"))


async def _until_control_connections_are(expected: int, database: Database) -> None:
    """The server notices a little later that a client has gone."""
    statement = f"SELECT count(*) FROM pg_stat_activity WHERE {GATES}"
    async with asyncio.timeout(30), database.session() as session:
        while await session.scalar(text(statement)) != expected:
            await asyncio.sleep(0.05)
