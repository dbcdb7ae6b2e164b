"""Whose fault an error of the database is, and what becomes of its connection; each is made for real."""

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, cast

import pytest
from sqlalchemy import URL, event, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from chassis.dev.testing.databases import PATIENT
from chassis.domain.exceptions import ConflictError, UnavailableError, ValidationError
from chassis.persistence.database import Database
from chassis.tests.persistence.samples import UserRepository

CONNECTIONS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'faults' AND datname = current_database()"
PROCESS = "SELECT pg_backend_pid()"
DIES = """
CREATE FUNCTION dies() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN new; END $$;
CREATE TRIGGER dies BEFORE INSERT ON sample_users FOR EACH ROW WHEN (new.name = 'dies') EXECUTE FUNCTION dies()
"""


@asynccontextmanager
async def _own(url: URL, **options: float) -> AsyncIterator[Database]:
    database = Database(url, replace(PATIENT, application_name="faults", **options))  # type: ignore[arg-type]
    yield database
    await database.close()


@pytest.fixture(name="faulty")
async def _faulty(database: Database) -> AsyncIterator[Database]:
    """A pool of two connections."""
    async with _own(database.engine.url, pool_size=2) as faulty:
        yield faulty


async def _ask(database: Database, statement: str) -> object:
    async with database.session() as session:
        result = await session.execute(text(statement))
        return result.scalar() if result.returns_rows else None  # type: ignore[attr-defined]


async def _fail(database: Database, state: str, detail: str = "") -> None:
    error = f"RAISE EXCEPTION 'reason' USING ERRCODE = '{state}', DETAIL = '{detail}'"
    await _ask(database, f"DO $$ BEGIN {error}; END $$")


async def _run(database: Database, script: str) -> None:
    for statement in script.split(";\n"):
        async with database.session() as session:
            await session.execute(text(statement))


async def _fill(database: Database) -> set[object]:
    """The processes of the server that serve the two connections of the pool."""
    return set(await asyncio.gather(*(_ask(database, f"{PROCESS} FROM pg_sleep(0.1)") for _ in range(2))))


async def _kill(database: Database, *, by: Database) -> None:
    """Ends both connections of a pool while they are idle; returns when it has heard of that."""
    heard: list[object] = []
    event.listen(database.engine.sync_engine, "soft_invalidate", lambda connection, *_: heard.append(connection))
    for process in await _fill(database):
        await _ask(by, f"SELECT pg_terminate_backend({process}, 5000)")
    async with asyncio.timeout(30):
        while len(heard) < 2:
            await asyncio.sleep(0.01)


async def _until_active(expected: int, database: Database, seconds: float) -> None:
    """Statements on connections of `_own`."""
    async with asyncio.timeout(seconds):
        while await _ask(database, f"{CONNECTIONS} AND state = 'active'") != expected:
            await asyncio.sleep(0.01)


def _in_use(database: Database) -> int:
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
async def test_what_another_attempt_may_cure_is_the_fault_of_the_database(state: str, faulty: Database) -> None:
    with pytest.raises(UnavailableError, match="try again"):
        await _fail(faulty, state)

    assert _in_use(faulty) == 0


@pytest.mark.parametrize("state", ["23502", "25P02", "42501", "42601", "P0001", "XX000"])
async def test_what_no_attempt_can_cure_is_no_reason_to_try_again(state: str, faulty: Database) -> None:
    with pytest.raises(DBAPIError):
        await _fail(faulty, state)

    assert _in_use(faulty) == 0


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
async def test_a_duplicate_is_a_conflict_whatever_its_index_is_made_of(
    index: str, message: object, faulty: Database
) -> None:
    insert = """INSERT INTO cats VALUES ('a)=(b', 'red', 'c')"""
    await _run(faulty, """CREATE TABLE cats (name varchar(9), color text, "Full name" text)""")
    try:
        await _run(faulty, f"CREATE UNIQUE INDEX ON cats {index};\n{insert}")

        with pytest.raises(ConflictError) as raised:
            await _run(faulty, insert)
    finally:
        await _run(faulty, "DROP TABLE cats")

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
async def test_the_state_tells_a_conflict_and_not_the_words(
    state: str, detail: str, message: object, faulty: Database
) -> None:
    with pytest.raises(ConflictError) as raised:
        await _fail(faulty, state, detail)

    assert raised.value.message == message


@pytest.mark.parametrize("state", ["23502", "23514", "23P01"])
async def test_no_other_violation_is_a_conflict_whatever_its_words(state: str, faulty: Database) -> None:
    with pytest.raises(IntegrityError):
        await _fail(faulty, state, "Key (foo)=(x) already exists.")


async def test_of_two_transactions_that_wait_for_each_other_one_is_told_to_try_again(users: UserRepository) -> None:
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


async def test_a_write_after_idle_connections_were_killed_needs_no_second_attempt(
    faulty: Database, users: UserRepository
) -> None:
    await _kill(faulty, by=users.database)

    created = await asyncio.gather(*(UserRepository(faulty).create({"name": name}) for name in "abc"))

    assert len({user.id for user in created}) == 3


async def test_a_write_whose_connection_dies_is_not_repeated(users: UserRepository, faulty: Database) -> None:
    await _run(users.database, DIES)
    writer = UserRepository(faulty)
    before = await writer.create({"name": "before"})

    with pytest.raises(UnavailableError):
        await writer.create({"name": "dies"})

    after = await writer.create({"name": "after"})
    await _run(users.database, "DROP FUNCTION dies() CASCADE")
    assert after.id == before.id + 2  # the sequence counts attempts
    assert [user.name for user in (await writer.get_all()).items] == ["before", "after"]


async def test_a_read_whose_connection_dies_is_repeated_once(faulty: Database) -> None:
    attempts = []

    async def query(session: AsyncSession) -> None:
        attempts.append(await session.scalar(text(PROCESS)))
        await session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    with pytest.raises(UnavailableError):
        await faulty.read(query)

    assert len(set(attempts)) == 2


async def test_a_connection_that_is_closed_as_soon_as_it_is_open_is_no_connection(faulty: Database) -> None:
    def close(connection: Any, _record: object) -> None:  # noqa: ANN401
        connection.driver_connection.terminate()

    event.listen(faulty.engine.sync_engine, "connect", close, insert=True)

    with pytest.raises(UnavailableError):
        await _ask(faulty, PROCESS)

    assert _in_use(faulty) == 0


@pytest.mark.usefixtures("sample_tables")
async def test_after_a_failover_connections_to_the_old_primary_are_given_up(faulty: Database) -> None:
    old = await _fill(faulty)
    await _ask(faulty, "SET default_transaction_read_only = on")

    writes = [_ask(faulty, "UPDATE sample_users SET name = name") for _ in range(2)]
    errors = await asyncio.gather(*writes, return_exceptions=True)

    assert sorted(type(error).__name__ for error in errors) == ["NoneType", "UnavailableError"]
    assert old.isdisjoint(await _fill(faulty))


@pytest.mark.parametrize("value", [2**63, "a", "\udc00"])
async def test_a_value_that_is_refused_leaves_no_statement_behind(
    value: object, faulty: Database, users: UserRepository
) -> None:
    """It was parsed before its values were looked at, and would hold its lock until the connection is used again."""
    locks = "SELECT count(*) FROM pg_locks WHERE relation = 'sample_users'::regclass"

    with pytest.raises(ValidationError):
        await UserRepository(faulty).get(cast("int", value))

    assert await _ask(users.database, locks) == 0
    assert await _ask(users.database, f"{CONNECTIONS} AND state = 'idle'") == 1


@pytest.fixture(name="altered")
async def _altered(users: UserRepository) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Changes the type of a column, as a migration does that runs while we serve."""
    alter = "ALTER TABLE sample_users ALTER name TYPE"
    yield lambda: _run(users.database, f"{alter} text")
    await _run(users.database, f"{alter} varchar(50)")


async def test_a_read_does_not_notice_that_a_type_was_changed(
    faulty: Database, altered: Callable[[], Awaitable[None]]
) -> None:
    users = UserRepository(faulty)
    user = await users.create({"name": "a"})
    await users.get(user.id)
    await altered()

    assert (await users.get(user.id)).name == "a"


async def test_a_write_fails_once_when_a_type_was_changed(
    faulty: Database, altered: Callable[[], Awaitable[None]]
) -> None:
    users = UserRepository(faulty)
    await users.create({"name": "a"})
    await altered()

    with pytest.raises(UnavailableError):
        await users.create({"name": "b"})

    await users.create({"name": "b"})
    assert await users.count() == 2


async def test_what_is_in_use_when_the_pool_is_closed_is_closed_when_it_comes_back(
    faulty: Database, users: UserRepository
) -> None:
    gc.disable()  # which would close it some time
    try:
        tasks = [asyncio.create_task(_ask(faulty, "SELECT pg_sleep(0.2)")) for _ in range(2)]
        await asyncio.sleep(0.1)
        await faulty.close()
        await asyncio.gather(*tasks)

        async with asyncio.timeout(30):
            while await _ask(users.database, CONNECTIONS) != 0:  # the server hears of it a little later
                await asyncio.sleep(0.01)
        assert await _fill(faulty) == await _fill(faulty)
    finally:
        gc.enable()


async def test_a_statement_whose_request_is_cancelled_is_cancelled_too(faulty: Database, database: Database) -> None:
    tasks = [asyncio.create_task(_ask(faulty, "SELECT pg_sleep(60)")) for _ in range(2)]
    await _until_active(2, database, seconds=30)

    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

    await _until_active(0, database, seconds=0.8 * faulty.options.statement_timeout)


async def test_requests_that_are_cancelled_leave_neither_connections_nor_statements(
    faulty: Database, users: UserRepository
) -> None:
    for _ in range(20):
        tasks = [asyncio.create_task(_ask(faulty, "SELECT pg_sleep(60)")) for _ in range(4)]
        await asyncio.sleep(0.02)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    assert _in_use(faulty) == 0
    await _until_active(0, users.database, seconds=30)  # a cancel may overtake its statement, which times out then
    assert len(await _fill(faulty)) == 2
    assert await _ask(users.database, CONNECTIONS) == 2


async def test_who_waits_in_vain_for_a_connection_is_told_to_try_again(database: Database) -> None:
    async with _own(database.engine.url, pool_size=1, pool_timeout=0.2) as impatient:
        async with impatient.session() as session:
            await session.execute(text(PROCESS))

            with pytest.raises(UnavailableError, match="try again"):
                await _ask(impatient, PROCESS)

        assert await _ask(impatient, PROCESS)


async def test_a_statement_that_takes_too_long_is_cancelled(database: Database) -> None:
    async with _own(database.engine.url, statement_timeout=0.2) as impatient:
        with pytest.raises(UnavailableError, match="try again"):
            await _ask(impatient, "SELECT pg_sleep(60)")

        assert _in_use(impatient) == 0
