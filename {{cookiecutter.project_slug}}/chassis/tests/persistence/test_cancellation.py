"""A call of a repository may be cancelled at any of its steps, and then leaves neither a connection nor a statement."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from chassis.dev.testing.databases import PATIENT
from chassis.persistence.database import Database
from chassis.tests.persistence.samples import UserRepository
from chassis.tests.persistence.test_transactions import count_checked_out


@pytest.fixture(name="narrow")
async def _narrow(users: UserRepository) -> AsyncIterator[UserRepository]:
    """A repository whose pool has two connections."""
    database = Database(users.database.engine.url, replace(PATIENT, application_name="cancelled", pool_size=2))
    yield UserRepository(database)
    await database.close()


async def test_cancellation_at_any_step_leaves_no_connection_in_use(narrow: UserRepository) -> None:
    for step in range(30):
        if step % 3 == 0:
            await narrow.database.close()  # so that the next calls connect
        calls = [narrow.get_all(), narrow.create({"name": f"{step}"}), narrow.exists({"name": "a"}), narrow.count()]
        tasks = [asyncio.create_task(call) for call in calls]
        await asyncio.sleep(step / 3000)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

        assert count_checked_out(narrow.database) == 0

    assert await asyncio.gather(*(narrow.exists({"name": "nobody"}) for _ in range(4))) == [False] * 4


async def test_cancellation_ends_a_write_that_waits_for_a_lock(users: UserRepository, narrow: UserRepository) -> None:
    user = await users.create({"name": "a"})
    async with users.transaction():
        await users.update(user.id, {"name": "locked"})
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await narrow.update(user.id, {"name": "b"})
            assert count_checked_out(narrow.database) == 0

    assert (await narrow.get(user.id)).name == "locked"


async def test_a_call_cancelled_inside_a_transaction_rolls_it_back(narrow: UserRepository) -> None:
    async def work() -> None:
        async with narrow.transaction():
            await narrow.create({"name": "a"})
            await narrow.create({"name": "b"})

    for step in range(12):
        task = asyncio.create_task(work())
        await asyncio.sleep(step / 3000)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        stored = await narrow.count()
        await narrow.delete_all()

        assert stored in (0, 2)
        assert count_checked_out(narrow.database) == 0
