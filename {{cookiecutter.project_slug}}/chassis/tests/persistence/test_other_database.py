"""SQLite runs the same code, which proves that the database can be swapped; only `TEST_SQLITE=1` tests it."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import event, text
from sqlalchemy.engine import make_url

from chassis.app import ChassisApp
from chassis.config import ChassisConfig
from chassis.dev.testing.sqlite import requires_sqlite
from chassis.domain.exceptions import ConflictError, UnavailableError
from chassis.maintenance.service_context import ServiceContext
from chassis.maintenance.store import SQLServiceContextStore
from chassis.persistence.database import Database
from chassis.persistence.model import ModelExtension
from chassis.persistence.unit_of_work import FailedTransactionError
from chassis.tests.persistence.samples import PetRepository, Sample, UserRepository
from chassis.tests.sample.create_app import create_app

pytestmark = requires_sqlite


@pytest.fixture(name="sqlite")
async def _sqlite(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(make_url(f"sqlite+aiosqlite:///{tmp_path / 'test.db'}"))
    async with database.transaction(), database.session() as session:
        connection = await session.connection()
        await connection.run_sync(ModelExtension.metadata.create_all)
        await connection.run_sync(Sample.metadata.create_all)
    yield database
    await database.close()


async def test_a_write_on_its_own_is_kept(sqlite: Database) -> None:
    user = await UserRepository(sqlite).create({"name": "a"})
    await sqlite.close()

    assert (await UserRepository(sqlite).get(user.id)).name == "a"


async def test_a_transaction_is_kept_or_undone_as_a_whole(sqlite: Database) -> None:
    users = UserRepository(sqlite)
    async with users.transaction():
        await users.create({"name": "a"})
    with pytest.raises(ConflictError) as raised:
        async with users.transaction():
            await users.create({"name": "b"})
            await users.create({"name": "a"})

    assert raised.value.message == {"name": "already exists"}
    assert [user.name for user in (await users.get_all()).items] == ["a"]


async def test_writes_and_locks_many_rows_and_pages_through_them(sqlite: Database) -> None:
    users = UserRepository(sqlite)
    created = await users.create_many([{"name": name} for name in "bca"])
    params = {"sort": "-name", "per_page": 2, "name__in": ["a", "b", "c"]}
    first = await users.get_all({**params, "cursor": ""})
    second = await users.get_all({**params, "cursor": first.next_cursor})
    async with users.transaction():
        locked = await users.get(created[0].id, for_update=True)

    assert [user.name for user in created] == ["b", "c", "a"]
    assert [user.name for user in first.items + second.items] == ["c", "b", "a"]
    assert locked.name == "b"


async def test_an_error_that_is_caught_inside_does_not_pass_for_a_commit(sqlite: Database) -> None:
    users = UserRepository(sqlite)
    with pytest.raises(FailedTransactionError):
        async with users.transaction():
            await users.create({"name": "a"})
            with pytest.raises(ConflictError):
                await users.create({"name": "a"})

    assert await users.count() == 0


async def test_a_nested_success_is_undone_with_the_outer_transaction(sqlite: Database) -> None:
    users = UserRepository(sqlite)
    with pytest.raises(ConflictError):
        async with users.transaction():
            async with users.transaction():
                await users.create({"name": "inner"})
            await users.create({"name": "inner"})

    assert await users.count() == 0


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ("(owner_id, name)", {"owner_id": "already exists", "name": "already exists"}),
        ("(lower(name))", "It exists already."),
    ],
)
async def test_a_duplicate_is_a_conflict(sqlite: Database, index: str, message: object) -> None:
    insert = text("INSERT INTO cats VALUES (1, 'a')")
    async with sqlite.session() as session:
        await session.execute(text("CREATE TABLE cats (owner_id integer, name text)"))
        await session.execute(text(f"CREATE UNIQUE INDEX ix_cats ON cats {index}"))
        await session.execute(insert)

    with pytest.raises(ConflictError) as raised:
        async with sqlite.session() as session:
            await session.execute(insert)

    assert raised.value.message == message


async def test_an_unknown_reference_names_its_field(sqlite: Database) -> None:
    with pytest.raises(ConflictError) as raised:
        await PetRepository(sqlite).create({"owner_id": 0})

    assert raised.value.message == {"owner_id": "does not exist"}


async def test_a_row_that_is_referred_to_cannot_be_deleted(sqlite: Database) -> None:
    user = await UserRepository(sqlite).create({"name": "a"})
    await PetRepository(sqlite).create({"owner_id": user.id})

    with pytest.raises(ConflictError, match="referred to by"):
        await UserRepository(sqlite).delete(user.id)


async def test_an_autocommit_read_begins_nothing(sqlite: Database) -> None:
    sent: list[str] = []
    event.listen(
        sqlite.engine.sync_engine,
        "before_cursor_execute",
        lambda _connection, _cursor, statement, *_: sent.append(statement.split()[0]),
    )

    await UserRepository(sqlite).count()

    assert sent == ["SELECT"]


async def test_the_maintenance_window_is_switched(sqlite: Database) -> None:
    repository = SQLServiceContextStore(sqlite)
    now = datetime.now(UTC)
    assert await repository.read() == ServiceContext()

    changed = await repository.write({"maintenance": True, "since": now, "message": "a"}, by="test")

    assert changed == await repository.read()
    assert (changed.maintenance, changed.message, changed.since, changed.version) == (True, "a", now, 1)


async def test_a_missing_table_is_said_to_be_missing(tmp_path: Path) -> None:
    empty = Database(make_url(f"sqlite+aiosqlite:///{tmp_path / 'empty.db'}"))

    with pytest.raises(UnavailableError, match="quart db upgrade"):
        await SQLServiceContextStore(empty).read()
    await empty.close()


async def test_the_service_answers(app: ChassisApp, sqlite: Database, config: ChassisConfig) -> None:
    other = create_app(config.model_copy(update={"SQLALCHEMY_DATABASE_URI": sqlite.engine.url}))
    client = other.test_client()

    response = await client.patch("/v1/service-context", json={"maintenance": True})

    assert (response.status_code, (await response.get_json())["maintenance"]) == (200, True)
    assert (await client.get("/v1/anything")).status_code == 503
    await other.container.database().close()
