"""A transaction commits or undoes all of its writes, and shares its session with nobody."""

import asyncio
from contextlib import nullcontext

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from chassis.domain.exceptions import ConflictError, NotFoundError, ValidationError
from chassis.persistence.database import Database
from chassis.persistence.unit_of_work import ConcurrentUseError, FailedTransactionError
from chassis.tests.persistence.samples import PetRepository, UserRepository


class AnyError(Exception):
    pass


async def test_commits_a_single_write_before_it_returns(users: UserRepository, statements: list[str]) -> None:
    await users.create({"name": "a"})

    assert statements == ["INSERT"]
    assert await users.count() == 1


async def test_a_read_is_one_statement_without_begin(users: UserRepository, statements: list[str]) -> None:
    user = await users.create({"name": "a"})
    statements.clear()

    await users.get(user.id)

    assert statements == ["SELECT"]


async def test_a_read_after_a_failed_transaction_sends_no_begin(users: UserRepository, statements: list[str]) -> None:
    with pytest.raises(AnyError):
        async with users.transaction():
            await users.create({"name": "a"})
            raise AnyError
    assert sorted(statements) == ["BEGIN", "INSERT", "ROLLBACK"]  # the event precedes the BEGIN that it causes
    statements.clear()

    assert not await users.exists({"name": "a"})

    assert statements == ["SELECT"]


async def test_all_writes_of_a_transaction_are_committed_together(users: UserRepository, pets: PetRepository) -> None:
    async with users.transaction():
        user = await users.create({"name": "a"})
        await pets.create({"owner_id": user.id})

    assert (await users.count(), await pets.count()) == (1, 1)


async def test_a_failed_second_write_undoes_the_first(users: UserRepository, pets: PetRepository) -> None:
    with pytest.raises(ConflictError):
        async with users.transaction():
            await users.create({"name": "a"})
            await pets.create({"owner_id": 0})

    assert await users.count() == 0


async def test_a_cancelled_transaction_leaves_nothing_behind(users: UserRepository, database: Database) -> None:
    written = asyncio.Event()

    async def work() -> None:
        async with users.transaction():
            await users.create({"name": "a"})
            written.set()
            async with database.session() as session:
                await session.execute(text("SELECT pg_sleep(30)"))

    task = asyncio.create_task(work())
    await written.wait()
    await wait_for_statements(1, "SELECT pg_sleep(30)", database)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert await users.count() == 0
    assert count_checked_out(database) == 0
    await wait_for_statements(0, "SELECT pg_sleep(30)", database)


async def test_a_nested_failure_undoes_only_its_part(users: UserRepository) -> None:
    async with users.transaction():
        await users.create({"name": "outer"})
        with pytest.raises(ConflictError):
            async with users.transaction():
                await users.create({"name": "inner"})
                await users.create({"name": "outer"})
        await users.create({"name": "after"})

    assert [user.name for user in (await users.get_all()).items] == ["outer", "after"]


async def test_a_nested_success_is_undone_with_the_outer_transaction(users: UserRepository) -> None:
    with pytest.raises(AnyError):
        async with users.transaction():
            async with users.transaction():
                await users.create({"name": "inner"})
            raise AnyError

    assert await users.count() == 0


async def test_an_error_that_is_caught_inside_prevents_the_commit(users: UserRepository) -> None:
    with pytest.raises(FailedTransactionError, match="nested") as raised:
        async with users.transaction():
            await users.create({"name": "a"})
            with pytest.raises(ConflictError):
                await users.create({"name": "a"})

    assert isinstance(raised.value.__cause__, IntegrityError)
    assert await users.count() == 0


async def test_an_error_that_is_caught_next_to_its_statement_prevents_the_commit(
    users: UserRepository, database: Database
) -> None:
    with pytest.raises(FailedTransactionError):
        async with users.transaction(), database.session() as session:
            await users.create({"name": "a"})
            with pytest.raises(DBAPIError):
                await session.execute(text("SELECT 1/0"))

    assert await users.count() == 0


async def test_an_error_that_is_caught_inside_a_nested_transaction_undoes_only_that(users: UserRepository) -> None:
    async with users.transaction():
        await users.create({"name": "outer"})
        with pytest.raises(FailedTransactionError):
            async with users.transaction():
                await users.create({"name": "inner"})
                with pytest.raises(ConflictError):
                    await users.create({"name": "outer"})

    assert [user.name for user in (await users.get_all()).items] == ["outer"]


async def test_a_refused_value_after_a_caught_error_undoes_only_the_nested_transaction(
    users: UserRepository,
) -> None:
    async with users.transaction():
        await users.create({"name": "outer"})
        with pytest.raises(FailedTransactionError):
            async with users.transaction():
                await users.exists({"name": "prepared"})
                with pytest.raises(ConflictError):
                    await users.create({"name": "outer"})
                with pytest.raises(ValidationError):
                    await users.exists({"name": "\udc00"})

    assert [user.name for user in (await users.get_all()).items] == ["outer"]


@pytest.mark.parametrize("nested", [False, True])
async def test_a_statement_that_times_out_prevents_the_commit(
    users: UserRepository, database: Database, *, nested: bool
) -> None:
    with pytest.raises(FailedTransactionError):
        async with users.transaction():
            await users.create({"name": "a"})
            with pytest.raises(TimeoutError):
                inner = users.transaction() if nested else nullcontext()
                async with asyncio.timeout(0.05), inner, database.session() as session:
                    await session.execute(text("SELECT pg_sleep(30)"))

    assert await users.count() == 0
    assert count_checked_out(database) == 0


async def test_a_row_that_is_not_found_does_not_prevent_the_commit(users: UserRepository) -> None:
    async with users.transaction():
        await users.create({"name": "a"})
        with pytest.raises(NotFoundError):
            await users.get(0)

    assert await users.count() == 1


async def test_a_failed_statement_outside_of_a_transaction_does_not_affect_it(
    users: UserRepository, database: Database
) -> None:
    await users.create({"name": "a"})

    async with users.transaction():
        await users.create({"name": "b"})
        with database.outside_transaction(), pytest.raises(ConflictError):
            await users.create({"name": "a"})

    assert await users.count() == 2


async def test_a_transaction_sees_its_own_writes_and_others_do_not(users: UserRepository, database: Database) -> None:
    async with users.transaction():
        await users.create({"name": "a"})

        assert await users.count() == 1
        with database.outside_transaction():
            assert await users.count() == 0


async def test_concurrent_transactions_do_not_share_a_session(users: UserRepository) -> None:
    async def work(number: int) -> None:
        async with users.transaction():
            await users.create({"name": str(number)})
            await asyncio.sleep(0)
            if number % 2:
                raise AnyError

    await asyncio.gather(*(work(number) for number in range(50)), return_exceptions=True)

    assert sorted(int(user.name) for user in (await users.get_all({"itemized": True})).items) == list(range(0, 50, 2))


async def test_reads_outside_of_a_transaction_run_in_parallel(users: UserRepository, database: Database) -> None:
    async def sleep() -> None:
        async with database.session() as session:
            await session.execute(text("SELECT pg_sleep(0.2)"))
            checked_out.append(count_checked_out(database))

    checked_out: list[int] = []
    await asyncio.gather(*(sleep() for _ in range(5)))

    assert max(checked_out) == 5


async def test_two_calls_at_once_inside_a_transaction_are_an_error(users: UserRepository, database: Database) -> None:
    with pytest.raises(ConcurrentUseError, match="one after the other"):
        async with users.transaction():
            await asyncio.gather(users.create({"name": "a"}), users.create({"name": "b"}))

    assert await users.count() == 0
    assert count_checked_out(database) == 0


async def test_a_call_still_running_at_the_end_of_a_transaction_is_an_error(
    users: UserRepository, database: Database
) -> None:
    with pytest.raises(ConcurrentUseError):
        async with users.transaction():
            await users.create({"name": "a"})
            task = asyncio.create_task(users.create({"name": "b"}))
            await asyncio.sleep(0)
    await asyncio.gather(task, return_exceptions=True)

    assert await users.count() == 0
    assert count_checked_out(database) == 0


async def test_two_nested_transactions_at_once_are_an_error(users: UserRepository) -> None:
    async def nested(name: str) -> None:
        async with users.transaction():
            await users.create({"name": name})

    with pytest.raises(ConcurrentUseError):
        async with users.transaction():
            await asyncio.gather(nested("a"), nested("b"))

    assert await users.count() == 0


async def test_work_that_outlives_a_transaction_gets_a_session_of_its_own(users: UserRepository) -> None:
    ended = asyncio.Event()

    async def later() -> None:
        await ended.wait()
        await users.create({"name": "later"})

    with pytest.raises(AnyError):
        async with users.transaction():
            task = asyncio.create_task(later())
            await users.create({"name": "undone"})
            raise AnyError
    ended.set()
    await task

    assert [user.name for user in (await users.get_all()).items] == ["later"]


async def test_an_error_of_the_caller_passes_unchanged(users: UserRepository) -> None:
    with pytest.raises(ConnectionRefusedError):
        async with users.transaction():
            raise ConnectionRefusedError


async def test_not_found_inside_a_transaction_rolls_back(users: UserRepository) -> None:
    with pytest.raises(NotFoundError, match="User was not found"):
        async with users.transaction():
            await users.create({"name": "a"})
            await users.get(0)

    assert await users.count() == 0


async def wait_for_statements(expected: int, statement: str, database: Database) -> None:
    """Wait until this number of them is running, for less time than their timeout."""
    running = (
        "SELECT count(*) FROM pg_stat_activity "
        f"WHERE state = 'active' AND query = '{statement}' AND datname = current_database()"
    )
    async with asyncio.timeout(0.8 * database.options.statement_timeout), database.session() as session:
        while await session.scalar(text(running)) != expected:
            await asyncio.sleep(0.01)


def count_checked_out(database: Database) -> int:
    return database.engine.pool.checkedout()  # type: ignore[attr-defined,no-any-return]
