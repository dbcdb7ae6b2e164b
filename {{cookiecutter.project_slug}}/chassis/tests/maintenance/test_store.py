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
ACTIVATION = {"maintenance": True, "since": NOW}
DEACTIVATION = {"maintenance": False, "message": None, "expected_end": None, "since": None}


@pytest.fixture(name="store")
def _store(database: Database) -> SQLServiceContextStore:
    return SQLServiceContextStore(database)


async def test_is_inactive_until_somebody_changes_it(store: SQLServiceContextStore) -> None:
    assert await store.read() == ServiceContext()
    assert await store.write(DEACTIVATION, by="test") == ServiceContext()


async def test_creates_one_row_for_fifty_concurrent_first_changes(
    store: SQLServiceContextStore, database: Database
) -> None:
    contexts = await asyncio.gather(*(store.write(ACTIVATION, by="test") for _ in range(50)))

    async with database.session() as session:
        assert await session.scalar(text("SELECT count(*) FROM service_context")) == 1
    assert {(context.maintenance, context.version) for context in contexts} == {(True, 1)}


async def test_keeps_the_beginning_of_an_active_window(store: SQLServiceContextStore) -> None:
    await store.write(ACTIVATION, by="test")
    context = await store.write({**ACTIVATION, "since": datetime.now(UTC), "message": "a"}, by="test")

    assert (context.since, context.message, context.version) == (NOW, "a", 2)


async def test_counts_a_change_without_effect_only_if_it_is_forced(store: SQLServiceContextStore) -> None:
    versions = [(await store.write(ACTIVATION, by="test", force=force)).version for force in (False, False, True)]

    assert versions == [1, 1, 2]


async def test_reads_a_window_whose_end_python_cannot_represent(
    store: SQLServiceContextStore, database: Database
) -> None:
    await store.write(ACTIVATION, by="test")
    async with database.session() as session:
        await session.execute(text("UPDATE service_context SET expected_end = 'infinity'"))

    assert await store.read() == ServiceContext(maintenance=True, since=NOW, version=1)


async def test_keeps_an_absent_field_and_clears_one_that_is_none(store: SQLServiceContextStore) -> None:
    await store.write({**ACTIVATION, "message": "a", "expected_end": NOW}, by="test")

    assert (await store.write({"message": None}, by="test")).expected_end == NOW
    assert (await store.read()).message is None


async def test_clears_all_fields_on_deactivation(store: SQLServiceContextStore) -> None:
    await store.write({**ACTIVATION, "message": "a", "expected_end": NOW}, by="test")

    assert await store.write(DEACTIVATION, by="test") == ServiceContext(version=2)


async def test_stores_no_message_without_an_active_window(store: SQLServiceContextStore) -> None:
    assert await store.write({"message": "a"}, by="test") == ServiceContext()


async def test_notifies_listeners_of_changes_only(store: SQLServiceContextStore, database: Database) -> None:
    notifications: list[object] = []
    connection = await asyncpg.connect(**control_connection_arguments(database.engine.url, "tests"))
    await connection.add_listener(CHANNEL, lambda *arguments: notifications.append(arguments[-1]))
    try:
        for values in (
            DEACTIVATION,
            ACTIVATION,
            ACTIVATION,
            {"message": "a"},
            {"message": "a"},
            DEACTIVATION,
            DEACTIVATION,
        ):
            await store.write(values, by="test")
        await connection.execute("SELECT 1")  # notifications arrive before its result
    finally:
        await connection.close()

    assert notifications == ["changed"] * 3
    assert (await store.read()).version == 3


async def test_reads_the_row_after_its_table_was_altered(store: SQLServiceContextStore, database: Database) -> None:
    await store.write(ACTIVATION, by="test")
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


async def test_stores_the_author_of_a_change(store: SQLServiceContextStore, database: Database) -> None:
    await store.write(ACTIVATION, by="somebody")

    async with database.session() as session:
        assert await session.scalar(text("SELECT updated_by FROM service_context")) == "somebody"
