import asyncio
from datetime import UTC, datetime

import asyncpg
import pytest
from sqlalchemy import text

from src.domain.service_context import ServiceContext
from src.infrastructure.databases.database import Database
from src.infrastructure.databases.dialects import control_connection_arguments
from src.infrastructure.repositories.service_context_repository import CHANNEL, ServiceContextRepository

NOW = datetime(2026, 1, 31, tzinfo=UTC)
ON = {"maintenance": True, "since": NOW}
OFF = {"maintenance": False, "message": None, "expected_end": None, "since": None}


@pytest.fixture(name="repository")
def _repository(database: Database) -> ServiceContextRepository:
    return ServiceContextRepository(database)


async def test_is_open_while_nobody_changed_it(repository: ServiceContextRepository) -> None:
    assert await repository.current() == ServiceContext()
    assert await repository.change(OFF, by="test") == ServiceContext()


async def test_fifty_first_changes_at_once_make_one_row(
    repository: ServiceContextRepository, database: Database
) -> None:
    contexts = await asyncio.gather(*(repository.change(ON, by="test") for _ in range(50)))

    async with database.session() as session:
        assert await session.scalar(text("SELECT count(*) FROM service_context")) == 1
    assert {(context.maintenance, context.version) for context in contexts} == {(True, 1)}


async def test_a_window_that_is_on_keeps_its_beginning(repository: ServiceContextRepository) -> None:
    await repository.change(ON, by="test")
    context = await repository.change({**ON, "since": datetime.now(UTC), "message": "a"}, by="test")

    assert (context.since, context.message, context.version) == (NOW, "a", 2)


async def test_what_changes_nothing_is_a_change_only_if_it_is_made_anew(repository: ServiceContextRepository) -> None:
    versions = [(await repository.change(ON, by="test", anew=anew)).version for anew in (False, False, True)]

    assert versions == [1, 1, 2]


async def test_an_end_that_python_cannot_hold_hides_no_window(
    repository: ServiceContextRepository, database: Database
) -> None:
    await repository.change(ON, by="test")
    async with database.session() as session:
        await session.execute(text("UPDATE service_context SET expected_end = 'infinity'"))

    assert await repository.current() == ServiceContext(maintenance=True, since=NOW, version=1)


async def test_what_is_absent_stays_and_none_clears(repository: ServiceContextRepository) -> None:
    await repository.change({**ON, "message": "a", "expected_end": NOW}, by="test")

    assert (await repository.change({"message": None}, by="test")).expected_end == NOW
    assert (await repository.current()).message is None


async def test_switching_off_clears_everything(repository: ServiceContextRepository) -> None:
    await repository.change({**ON, "message": "a", "expected_end": NOW}, by="test")

    assert await repository.change(OFF, by="test") == ServiceContext(version=2)


async def test_a_message_about_no_window_is_not_stored(repository: ServiceContextRepository) -> None:
    assert await repository.change({"message": "a"}, by="test") == ServiceContext()


async def test_tells_all_who_listen_once_it_is_committed_and_only_of_changes(
    repository: ServiceContextRepository, database: Database
) -> None:
    told: list[object] = []
    connection = await asyncpg.connect(**control_connection_arguments(database.engine.url, database.options))
    await connection.add_listener(CHANNEL, lambda *_: told.append("told"))
    try:
        for values in (OFF, ON, ON, {"message": "a"}, {"message": "a"}, OFF, OFF):
            await repository.change(values, by="test")
        await connection.execute("SELECT 1")
    finally:
        await connection.close()

    assert told == ["told"] * 3
    assert (await repository.current()).version == 3


async def test_altering_its_table_does_not_break_reading(
    repository: ServiceContextRepository, database: Database
) -> None:
    await repository.change(ON, by="test")
    await repository.current()
    for statement in ("ADD COLUMN more text", "DROP COLUMN message"):
        async with database.session() as session:
            await session.execute(text(f"ALTER TABLE service_context {statement}"))
        try:
            assert (await repository.current()).maintenance
        finally:
            undo = "DROP COLUMN more" if "ADD" in statement else "ADD COLUMN message varchar(500)"
            async with database.session() as session:
                await session.execute(text(f"ALTER TABLE service_context {undo}"))


async def test_remembers_who_changed_it(repository: ServiceContextRepository, database: Database) -> None:
    await repository.change(ON, by="somebody")

    async with database.session() as session:
        assert await session.scalar(text("SELECT updated_by FROM service_context")) == "somebody"
