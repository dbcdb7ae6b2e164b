"""The state of a process follows the row, also through real faults of connections and locks."""

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
from chassis.maintenance.service_context import ServiceContext
from chassis.maintenance.state import MaintenanceState
from chassis.maintenance.store import SQLServiceContextStore
from chassis.maintenance.watcher import ServiceContextWatcher
from chassis.persistence.database import Database
from chassis.persistence.messages import PostgreSQLMessages

ACTIVATION = {"maintenance": True, "since": datetime(2026, 1, 31, tzinfo=UTC)}
DEACTIVATION = {"maintenance": False, "message": None, "expected_end": None, "since": None}
LONG = 60.0  # seconds: at this poll interval only a notification arrives in time
OPTIONS = replace(PATIENT, application_name="watcher of the tests")
IS_CONTROL_CONNECTION = f"application_name LIKE '{OPTIONS.application_name} gate%' AND datname = current_database()"


@asynccontextmanager
async def _watch(database: Database, poll_seconds: float = LONG) -> AsyncIterator[MaintenanceState]:
    watched_database = Database(database.engine.url, OPTIONS)
    state = MaintenanceState(watched_database.close)
    store = SQLServiceContextStore(watched_database)
    messages = PostgreSQLMessages(watched_database)
    watcher = ServiceContextWatcher(watched_database, store, state, messages, poll_seconds=poll_seconds)
    async with watcher.running(_none_in_flight):
        yield state
    await watched_database.close()


async def _wait_until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(LONG / 2):
        while not condition():
            await asyncio.sleep(0.005)


def _none_in_flight() -> int:
    return 0


def _has_context(state: MaintenanceState, context: ServiceContext) -> bool:
    return state.context == context


@pytest.fixture(name="store")
def _store(database: Database) -> SQLServiceContextStore:
    return SQLServiceContextStore(database)


async def test_knows_the_state_once_it_runs(
    database: Database, store: SQLServiceContextStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chassis.maintenance.watcher.READ_TIMEOUT", LONG)
    await store.write(ACTIVATION, by="test")

    async with _watch(database) as state:
        assert (state.known, state.gate_closed, state.context.stale) == (True, True, False)


async def test_follows_a_notification(database: Database, store: SQLServiceContextStore) -> None:
    async with _watch(database) as state:
        await store.write(ACTIVATION, by="test")
        await _wait_until(lambda: state.gate_closed)

        await store.write(DEACTIVATION, by="test")
        await _wait_until(lambda: not state.gate_closed)


async def test_follows_by_polling_without_a_notification(database: Database) -> None:
    async with _watch(database, poll_seconds=0.1) as state, database.session() as session:
        await session.execute(
            text("INSERT INTO service_context (id, maintenance, version) VALUES (1, true, 1)")  # sends no notification
        )
        await _wait_until(lambda: state.gate_closed)


async def test_follows_the_row_after_many_changes(database: Database, store: SQLServiceContextStore) -> None:
    async with _watch(database) as first, _watch(database) as second:
        for number in range(40):
            await store.write(DEACTIVATION if number % 2 else ACTIVATION, by="test")
        row = await store.write(ACTIVATION, by="test")

        await _wait_until(lambda: first.context == second.context == row)


async def test_recovers_from_a_killed_connection(database: Database, store: SQLServiceContextStore) -> None:
    async with _watch(database) as state:
        await _kill_control_connections(database)
        await store.write(ACTIVATION, by="test")

        await _wait_until(lambda: state.gate_closed)


async def test_leaks_no_task_and_no_connection_when_it_reconnects(
    database: Database, store: SQLServiceContextStore
) -> None:
    async with _watch(database) as state:
        await store.write(ACTIVATION, by="test")
        await _wait_until(lambda: state.gate_closed)
        tasks = len(asyncio.all_tasks())
        for number in range(10):
            await _kill_control_connections(database)
            row = await store.write({"message": str(number)}, by="test")
            await _wait_until(partial(_has_context, state, row))

        assert len(asyncio.all_tasks()) <= tasks
        await _wait_for_control_connections(1, database)
    await _wait_for_control_connections(0, database)


async def test_keeps_the_gate_closed_until_the_database_answers() -> None:
    unreachable = Database(make_url("postgresql+asyncpg://nobody@127.0.0.1:1/nothing"))
    state = MaintenanceState(unreachable.close)
    store, messages = SQLServiceContextStore(unreachable), PostgreSQLMessages(unreachable)
    watcher = ServiceContextWatcher(unreachable, store, state, messages, poll_seconds=LONG)

    async with watcher.running(_none_in_flight):
        assert (state.gate_closed, state.known) == (True, False)


async def test_keeps_the_last_known_state_while_the_table_is_locked(
    database: Database, store: SQLServiceContextStore
) -> None:
    await store.write(ACTIVATION, by="test")
    async with _watch(database, poll_seconds=0.1) as state:
        async with database.transaction(), database.session() as session:
            await session.execute(text("LOCK TABLE service_context IN ACCESS EXCLUSIVE MODE"))
            await _wait_until(lambda: state.context.stale)

            assert state.gate_closed
        await _wait_until(lambda: not state.context.stale)


async def test_stops_quickly_if_the_database_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    async def swallow(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            writer.close()

    server = await asyncio.start_server(swallow, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    silent = Database(make_url(f"postgresql+asyncpg://nobody@127.0.0.1:{port}/nothing"), OPTIONS)
    state = MaintenanceState(silent.close)
    store, messages = SQLServiceContextStore(silent), PostgreSQLMessages(silent)
    watcher = ServiceContextWatcher(silent, store, state, messages, poll_seconds=0.1)

    async with watcher.running(_none_in_flight):
        monkeypatch.setattr("chassis.maintenance.control_connection.CONNECT_TIMEOUT", LONG)  # for the next attempt
        await asyncio.sleep(0.5)
        started = time.perf_counter()
    await silent.close()
    duration = time.perf_counter() - started
    server.close()

    assert duration < 10


async def _kill_control_connections(database: Database) -> None:
    async with database.session() as session:
        await session.execute(
            text(f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE {IS_CONTROL_CONNECTION}")
        )


async def _wait_for_control_connections(expected: int, database: Database) -> None:
    """Wait, because the server notices a little later that a client has disconnected."""
    statement = f"SELECT count(*) FROM pg_stat_activity WHERE {IS_CONTROL_CONNECTION}"
    async with asyncio.timeout(30), database.session() as session:
        while await session.scalar(text(statement)) != expected:
            await asyncio.sleep(0.05)
