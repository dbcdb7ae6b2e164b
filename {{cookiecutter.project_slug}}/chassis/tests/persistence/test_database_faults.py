"""Each error of the database is caused for real: how it is reported, and whether its connection is used again."""

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import URL, BigInteger, bindparam, event, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from chassis.dev.testing.databases import PATIENT
from chassis.domain.exceptions import ConflictError, UnavailableError, ValidationError
from chassis.persistence.database import Database
from chassis.tests.persistence.samples import User, UserRepository

CONNECTIONS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'faults' AND datname = current_database()"
PROCESS = "SELECT pg_backend_pid()"
TERMINATES_ITS_WRITER = """
CREATE FUNCTION dies() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN new; END $$;
CREATE TRIGGER dies BEFORE INSERT ON sample_users FOR EACH ROW WHEN (new.name = 'dies') EXECUTE FUNCTION dies()
"""


@asynccontextmanager
async def open_database(url: URL, **options: float) -> AsyncIterator[Database]:
    database = Database(url, replace(PATIENT, application_name="faults", **options))  # type: ignore[arg-type]
    yield database
    await database.close()


@pytest.fixture(name="faulty")
async def _faulty(database: Database) -> AsyncIterator[Database]:
    """A database of which a test may break the connections; its pool has two."""
    async with open_database(database.engine.url, pool_size=2) as faulty:
        yield faulty


async def scalar(database: Database, statement: str) -> object:
    async with database.session() as session:
        result = await session.execute(text(statement))
        return result.scalar() if result.returns_rows else None  # type: ignore[attr-defined]


async def raise_error(database: Database, state: str, detail: str = "") -> None:
    error = f"RAISE EXCEPTION 'reason' USING ERRCODE = '{state}', DETAIL = '{detail}'"
    await scalar(database, f"DO $$ BEGIN {error}; END $$")


async def execute_script(database: Database, script: str) -> None:
    for statement in script.split(";\n"):
        async with database.session() as session:
            await session.execute(text(statement))


async def fill_pool(database: Database) -> set[object]:
    """Open both connections of the pool; return the ids of the processes that serve them."""
    return set(await asyncio.gather(*(scalar(database, f"{PROCESS} FROM pg_sleep(0.1)") for _ in range(2))))


async def kill_idle_connections(database: Database, *, by: Database) -> None:
    """End both connections of a pool while they are idle; return when the pool has noticed."""
    invalidated: list[object] = []
    event.listen(database.engine.sync_engine, "soft_invalidate", lambda connection, *_: invalidated.append(connection))
    for process in await fill_pool(database):
        await scalar(by, f"SELECT pg_terminate_backend({process}, 5000)")
    async with asyncio.timeout(30):
        while len(invalidated) < 2:
            await asyncio.sleep(0.01)


async def wait_until_active(expected: int, database: Database, seconds: float) -> None:
    """Wait until this number of statements runs on the connections of `open_database`."""
    async with asyncio.timeout(seconds):
        while await scalar(database, f"{CONNECTIONS} AND state = 'active'") != expected:
            await asyncio.sleep(0.01)


def count_in_use(database: Database) -> int:
    return database.engine.pool.checkedout()  # type: ignore[attr-defined,no-any-return]


@pytest.mark.parametrize(
    "state",
    [
        "08006",  # connection failure
        "25006",  # read-only: this was the primary, before a failover
        "28000",  # may not log in
        "40001",  # serialization failure
        "40P01",  # deadlock
        "53100",  # disk full
        "53300",  # too many connections
        "55P03",  # lock not available in time
        "57014",  # statement cancelled: it took too long
        "57P01",  # shutting down
        "57P03",  # starting up
        "58030",  # input/output error
    ],
)
async def test_an_error_that_may_pass_is_unavailable(state: str, faulty: Database) -> None:
    with pytest.raises(UnavailableError, match="try again"):
        await raise_error(faulty, state)

    assert count_in_use(faulty) == 0


@pytest.mark.parametrize("state", ["23502", "25P02", "42501", "42601", "P0001", "XX000"])
async def test_an_error_that_cannot_pass_is_raised_unchanged(state: str, faulty: Database) -> None:
    with pytest.raises(DBAPIError):
        await raise_error(faulty, state)

    assert count_in_use(faulty) == 0


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ("(name)", {"name": "already exists"}),
        ("(lower(name))", {"name": "already exists"}),
        ("(lower(btrim(name)), color)", {"name": "already exists", "color": "already exists"}),
        ('("Full name")', {"Full name": "already exists"}),
        ("(coalesce(name, 'none'))", "It exists already."),
        ("((name || color))", "It exists already."),
    ],
)
async def test_a_duplicate_names_the_columns_of_its_index(index: str, message: object, faulty: Database) -> None:
    insert = """INSERT INTO sample_cats VALUES ('a)=(b', 'red', 'c')"""
    await execute_script(faulty, """CREATE TABLE sample_cats (name varchar(9), color text, "Full name" text)""")
    try:
        await execute_script(faulty, f"CREATE UNIQUE INDEX ON sample_cats {index};\n{insert}")

        with pytest.raises(ConflictError) as raised:
            await execute_script(faulty, insert)
    finally:
        await execute_script(faulty, "DROP TABLE sample_cats")

    assert raised.value.message == message


@pytest.mark.parametrize(
    ("state", "detail", "message"),
    [
        ("23505", "", "It exists already."),
        ("23505", "Schlüssel »(name)=(a)« existiert bereits.", {"name": "already exists"}),
        ("23503", "", "It refers to, or is referred to by, something else."),
        ("23001", "", "It refers to, or is referred to by, something else."),  # ON DELETE RESTRICT, on newer servers
    ],
)
async def test_recognises_a_conflict_by_its_state_and_not_by_its_message(
    state: str, detail: str, message: object, faulty: Database
) -> None:
    with pytest.raises(ConflictError) as raised:
        await raise_error(faulty, state, detail)

    assert raised.value.message == message


@pytest.mark.parametrize("state", ["23502", "23514", "23P01"])
async def test_other_violations_are_not_conflicts_whatever_their_detail(state: str, faulty: Database) -> None:
    with pytest.raises(IntegrityError):
        await raise_error(faulty, state, "Key (foo)=(x) already exists.")


async def test_one_of_two_transactions_in_a_deadlock_is_unavailable(users: UserRepository) -> None:
    first, second = [(await users.create({"name": name})).id for name in ("a", "b")]
    both = asyncio.Barrier(2)

    async def work(*order: int) -> None:
        async with users.transaction():
            for step, user_id in enumerate(order):
                await users.update(user_id, {"name": f"{order} {step}"})
                if step == 0:
                    await both.wait()

    errors = await asyncio.gather(work(first, second), work(second, first), return_exceptions=True)

    assert sorted(type(error).__name__ for error in errors) == ["NoneType", "UnavailableError"]


async def test_a_write_succeeds_after_idle_connections_were_killed(faulty: Database, users: UserRepository) -> None:
    await kill_idle_connections(faulty, by=users.database)

    created = await asyncio.gather(*(UserRepository(faulty).create({"name": name}) for name in "abc"))

    assert len({user.id for user in created}) == 3


async def test_does_not_repeat_a_write_whose_connection_is_lost(users: UserRepository, faulty: Database) -> None:
    await execute_script(users.database, TERMINATES_ITS_WRITER)
    writer = UserRepository(faulty)
    before = await writer.create({"name": "before"})

    with pytest.raises(UnavailableError):
        await writer.create({"name": "dies"})

    after = await writer.create({"name": "after"})
    await execute_script(users.database, "DROP FUNCTION dies() CASCADE")
    assert after.id == before.id + 2  # the sequence counts attempts
    assert [user.name for user in (await writer.get_all()).items] == ["before", "after"]


async def test_repeats_a_read_once_if_its_connection_is_lost(faulty: Database) -> None:
    attempts = []

    async def query(session: AsyncSession) -> None:
        attempts.append(await session.scalar(text(PROCESS)))
        await session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    with pytest.raises(UnavailableError):
        await faulty.read(query)

    assert len(set(attempts)) == 2


async def test_a_connection_that_closes_at_once_is_unavailable(faulty: Database) -> None:
    def close(connection: Any, _record: object) -> None:  # noqa: ANN401
        connection.driver_connection.terminate()

    event.listen(faulty.engine.sync_engine, "connect", close, insert=True)

    with pytest.raises(UnavailableError):
        await scalar(faulty, PROCESS)

    assert count_in_use(faulty) == 0


@pytest.mark.usefixtures("sample_tables")
async def test_replaces_connections_to_the_old_primary_after_a_failover(faulty: Database) -> None:
    old = await fill_pool(faulty)
    await scalar(faulty, "SET default_transaction_read_only = on")

    writes = [scalar(faulty, "UPDATE sample_users SET name = name") for _ in range(2)]
    errors = await asyncio.gather(*writes, return_exceptions=True)

    assert sorted(type(error).__name__ for error in errors) == ["NoneType", "UnavailableError"]
    assert old.isdisjoint(await fill_pool(faulty))


@pytest.mark.parametrize("value", [2**63, "a", "\udc00"])
async def test_a_refused_value_leaves_no_statement_on_its_connection(
    value: object, faulty: Database, users: UserRepository
) -> None:
    """PostgreSQL has parsed the statement before asyncpg refuses the value, and holds its lock until the next one."""
    locks = "SELECT count(*) FROM pg_locks WHERE relation = 'sample_users'::regclass"
    statement = select(User).where(User.id == bindparam(None, value, type_=BigInteger()))

    with pytest.raises(ValidationError):
        await faulty.read(lambda session: session.scalar(statement))

    assert await scalar(users.database, locks) == 0
    assert await scalar(users.database, f"{CONNECTIONS} AND state = 'idle'") == 1


@pytest.fixture(name="change_type")
async def _change_type(users: UserRepository) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Give a function that changes the type of a column, like a migration that runs while the service does."""
    alter = "ALTER TABLE sample_users ALTER name TYPE"
    yield lambda: execute_script(users.database, f"{alter} text")
    await execute_script(users.database, f"{alter} varchar(50)")


async def test_a_read_succeeds_after_the_type_of_a_column_changed(
    faulty: Database, change_type: Callable[[], Awaitable[None]]
) -> None:
    users = UserRepository(faulty)
    user = await users.create({"name": "a"})
    await users.get(user.id)
    await change_type()

    assert (await users.get(user.id)).name == "a"


async def test_a_write_fails_once_after_the_type_of_a_column_changed(
    faulty: Database, change_type: Callable[[], Awaitable[None]]
) -> None:
    users = UserRepository(faulty)
    await users.create({"name": "a"})
    await change_type()

    with pytest.raises(UnavailableError):
        await users.create({"name": "b"})

    await users.create({"name": "b"})
    assert await users.count() == 2


async def test_a_connection_in_use_is_closed_when_it_returns_to_a_closed_pool(
    faulty: Database, users: UserRepository
) -> None:
    gc.disable()  # the garbage collector would close them some time
    try:
        tasks = [asyncio.create_task(scalar(faulty, "SELECT pg_sleep(0.2)")) for _ in range(2)]
        await asyncio.sleep(0.1)
        await faulty.close()
        await asyncio.gather(*tasks)

        async with asyncio.timeout(30):
            while await scalar(users.database, CONNECTIONS) != 0:  # the server notices it a little later
                await asyncio.sleep(0.01)
        assert await fill_pool(faulty) == await fill_pool(faulty)
    finally:
        gc.enable()


async def test_cancels_the_statement_of_a_cancelled_request(faulty: Database, database: Database) -> None:
    tasks = [asyncio.create_task(scalar(faulty, "SELECT pg_sleep(60)")) for _ in range(2)]
    await wait_until_active(2, database, seconds=30)

    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

    await wait_until_active(0, database, seconds=0.8 * faulty.options.statement_timeout)


async def test_cancelled_requests_leave_neither_connections_nor_statements(
    faulty: Database, users: UserRepository
) -> None:
    for _ in range(20):
        tasks = [asyncio.create_task(scalar(faulty, "SELECT pg_sleep(60)")) for _ in range(4)]
        await asyncio.sleep(0.02)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    assert count_in_use(faulty) == 0
    await wait_until_active(
        0, users.database, seconds=30
    )  # if a cancel overtakes its statement, the statement times out
    assert len(await fill_pool(faulty)) == 2
    assert await scalar(users.database, CONNECTIONS) == 2


async def test_a_request_that_gets_no_connection_in_time_is_unavailable(database: Database) -> None:
    async with open_database(database.engine.url, pool_size=1, pool_timeout=0.2) as impatient:
        async with impatient.session() as session:
            await session.execute(text(PROCESS))

            with pytest.raises(UnavailableError, match="try again"):
                await scalar(impatient, PROCESS)

        assert await scalar(impatient, PROCESS)


async def test_cancels_a_statement_that_takes_too_long(database: Database) -> None:
    async with open_database(database.engine.url, statement_timeout=0.2) as impatient:
        with pytest.raises(UnavailableError, match="try again"):
            await scalar(impatient, "SELECT pg_sleep(60)")

        assert count_in_use(impatient) == 0
