import asyncio
from datetime import UTC, datetime

import asyncpg
import pytest
from sqlalchemy import text

from chassis.maintenance.service_context import ServiceContext
from chassis.maintenance.store import CHANNEL, SQLServiceContextStore
from chassis.persistence.database import Database
from chassis.persistence.engine import control_connection_arguments

NOW = datetime(2026, 1, 31, tzinfo=UTC)
ON = {"maintenance": True, "since": NOW}
OFF = {"maintenance": False, "message": None, "expected_end": None, "since": None}


@pytest.fixture(name="store")
def _store(database: Database) -> SQLServiceContextStore:
    return SQLServiceContextStore(database)


async def test_is_open_while_nobody_changed_it(store: SQLServiceContextStore) -> None:
    assert await store.read() == ServiceContext()
    assert await store.write(OFF, by="test") == ServiceContext()


async def test_fifty_first_changes_at_once_make_one_row(store: SQLServiceContextStore, database: Database) -> None:
    contexts = await asyncio.gather(*(store.write(ON, by="test") for _ in range(50)))

    async with database.session() as session:
        assert await session.scalar(text("SELECT count(*) FROM service_context")) == 1
    assert {(context.maintenance, context.version) for context in contexts} == {(True, 1)}


async def test_a_window_that_is_on_keeps_its_beginning(store: SQLServiceContextStore) -> None:
    await store.write(ON, by="test")
    context = await store.write({**ON, "since": datetime.now(UTC), "message": "a"}, by="test")

    assert (context.since, context.message, context.version) == (NOW, "a", 2)


async def test_what_changes_nothing_is_a_change_only_if_it_is_made_anew(store: SQLServiceContextStore) -> None:
    versions = [(await store.write(ON, by="test", force=force)).version for force in (False, False, True)]

    assert versions == [1, 1, 2]


async def test_an_end_that_python_cannot_hold_hides_no_window(
    store: SQLServiceContextStore, database: Database
) -> None:
    await store.write(ON, by="test")
    async with database.session() as session:
        await session.execute(text("UPDATE service_context SET expected_end = 'infinity'"))

    assert await store.read() == ServiceContext(maintenance=True, since=NOW, version=1)


async def test_what_is_absent_stays_and_none_clears(store: SQLServiceContextStore) -> None:
    await store.write({**ON, "message": "a", "expected_end": NOW}, by="test")

    assert (await store.write({"message": None}, by="test")).expected_end == NOW
    assert (await store.read()).message is None


async def test_switching_off_clears_everything(store: SQLServiceContextStore) -> None:
    await store.write({**ON, "message": "a", "expected_end": NOW}, by="test")

    assert await store.write(OFF, by="test") == ServiceContext(version=2)


async def test_a_message_about_no_window_is_not_stored(store: SQLServiceContextStore) -> None:
    assert await store.write({"message": "a"}, by="test") == ServiceContext()


async def test_tells_all_who_listen_once_it_is_committed_and_only_of_changes(
    store: SQLServiceContextStore, database: Database
) -> None:
    told: list[object] = []
    connection = await asyncpg.connect(**control_connection_arguments(database.engine.url, "tests"))
    await connection.add_listener(CHANNEL, lambda *_: told.append("told"))
    try:
        for values in (OFF, ON, ON, {"message": "a"}, {"message": "a"}, OFF, OFF):
            await store.write(values, by="test")
        await connection.execute("SELECT 1")
    finally:
        await connection.close()

    assert told == ["told"] * 3
    assert (await store.read()).version == 3


async def test_altering_its_table_does_not_break_reading(store: SQLServiceContextStore, database: Database) -> None:
    await store.write(ON, by="test")
    await store.read()
    for statement in ("ADD COLUMN more text", "DROP COLUMN message"):
        async with database.session() as session:
            await session.execute(text(f"ALTER TABLE service_context {statement}"))
        try:
            assert (await store.read()).maintenance
        finally:
            undo = "DROP COLUMN more" if "ADD" in statement else "ADD COLUMN message varchar(500)"
            async with database.session() as session:
                await session.execute(text(f"ALTER TABLE service_context {undo}"))


async def test_remembers_who_changed_it(store: SQLServiceContextStore, database: Database) -> None:
    await store.write(ON, by="somebody")

    async with database.session() as session:
        assert await session.scalar(text("SELECT updated_by FROM service_context")) == "somebody"
