import asyncio

import pytest

from chassis.app import ChassisApp
from chassis.config import ChassisConfig
from chassis.persistence.database import Database
from chassis.tests.sample.create_app import create_app


async def test_runs_a_background_task_outside_the_transaction_that_started_it(
    app: ChassisApp, database: Database
) -> None:
    session_of_task = asyncio.get_running_loop().create_future()

    async def work() -> None:
        async with database.session() as session:
            session_of_task.set_result(session)

    async with app.app_context(), database.transaction(), database.session() as session:
        app.add_background_task(work)
        assert await session_of_task is not session


async def test_counts_background_tasks_as_in_flight(app: ChassisApp) -> None:
    may_end = asyncio.Event()

    async with app.app_context():
        app.add_background_task(may_end.wait)
    counts = [app.in_flight]
    may_end.set()
    await asyncio.gather(*app.background_tasks)
    counts.append(app.in_flight)

    assert counts == [1, 0]


async def test_cancels_a_request_whose_client_disconnects(
    app: ChassisApp, config: ChassisConfig, database: Database
) -> None:
    other = create_app(config)
    started, ended = asyncio.Event(), asyncio.Event()

    @other.post("/slow")
    async def slow() -> str:
        try:
            async with database.transaction(), database.session() as session:
                await session.connection()
                started.set()
                await asyncio.sleep(30)
        finally:
            ended.set()
        return "done"

    async with other.test_client().request("/slow", method="POST") as connection:
        await connection.send_complete()
        await asyncio.wait_for(started.wait(), 5)
        assert database.engine.pool.checkedout() == 1  # type: ignore[attr-defined]
        await connection.disconnect()
        await asyncio.wait_for(ended.wait(), 5)

    assert database.engine.pool.checkedout() == 0  # type: ignore[attr-defined]


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "example.com"])  # noqa: S104 - it is refused
def test_refuses_debug_mode_on_a_public_address(app: ChassisApp, host: str) -> None:
    with pytest.raises(SystemExit, match="would show source code to strangers"):
        app.run(host, 0, debug=True)
