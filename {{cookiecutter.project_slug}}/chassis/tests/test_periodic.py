"""Periodic and background tasks in a maintenance window, and when the instance stops."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from structlog.testing import capture_logs

from chassis.app import ChassisApp
from chassis.config import ChassisConfig
from chassis.dev.testing.fixtures import serving
from chassis.persistence.database import Database
from chassis.persistence.job_lock import AdvisoryJobLock
from chassis.tests.sample.create_app import create_app

PATIENCE = 30.0  # seconds
OFTEN = 0.01
LONG_ENOUGH = 0.2  # for several runs


class Job:
    def __init__(self) -> None:
        self.runs = 0
        self.started = asyncio.Event()
        self.may_end = asyncio.Event()
        self.was_cancelled = False

    async def run(self) -> None:
        self.runs += 1
        self.started.set()
        try:
            await self.may_end.wait()
        except asyncio.CancelledError:
            self.was_cancelled = True
            raise


@pytest.fixture(name="job")
async def _job() -> Job:
    return Job()


@pytest.fixture(name="quick_job")
async def _quick_job(job: Job) -> Job:
    job.may_end.set()
    return job


async def _wait_for(event: asyncio.Event) -> None:
    await asyncio.wait_for(event.wait(), PATIENCE)


async def test_runs_again_and_again_until_the_block_ends(app: ChassisApp, quick_job: Job) -> None:
    async with app.every(OFTEN, quick_job.run), asyncio.timeout(PATIENCE):
        while quick_job.runs < 3:
            await asyncio.sleep(OFTEN)
    runs = quick_job.runs
    await asyncio.sleep(LONG_ENOUGH)

    assert quick_job.runs == runs


async def test_a_run_is_in_flight_and_does_not_overlap_the_next_one(app: ChassisApp, job: Job) -> None:
    async with app.every(OFTEN, job.run):
        await _wait_for(job.started)
        await asyncio.sleep(LONG_ENOUGH)
        assert (job.runs, app.in_flight) == (1, 1)

        job.may_end.set()
    await asyncio.gather(*app.background_tasks)
    assert app.in_flight == 0


async def test_runs_again_after_an_error(app: ChassisApp, caplog: pytest.LogCaptureFixture) -> None:
    runs: list[int] = []

    async def fail() -> None:
        runs.append(1)
        raise ZeroDivisionError

    with capture_logs():
        async with app.every(OFTEN, fail), asyncio.timeout(PATIENCE):
            while len(runs) < 2:
                await asyncio.sleep(OFTEN)
    await asyncio.gather(*app.background_tasks)

    assert "ZeroDivisionError" in caplog.text


async def test_no_run_begins_during_a_maintenance_window(app: ChassisApp, quick_job: Job) -> None:
    window = app.container.service_context_service()
    await window.change({"maintenance": True}, by="test")
    async with app.every(OFTEN, quick_job.run):
        await asyncio.sleep(LONG_ENOUGH)
        assert quick_job.runs == 0

        await window.change({"maintenance": False}, by="test")
        await _wait_for(quick_job.started)


@pytest.fixture(name="stopping_app")
async def _stopping_app(app: ChassisApp, config: ChassisConfig) -> AsyncIterator[ChassisApp]:
    """An application of the test's own, because one that has stopped cannot start again."""
    yield create_app(config)
    app.wire()


async def test_no_run_begins_when_the_instance_drains(
    stopping_app: ChassisApp, database: Database, quick_job: Job
) -> None:
    async with serving(stopping_app, database), stopping_app.every(OFTEN, quick_job.run):
        await _wait_for(quick_job.started)
        stopping_app.drain.begin()  # what SIGTERM does
        runs = quick_job.runs
        await asyncio.sleep(LONG_ENOUGH)

    assert quick_job.runs == runs


async def test_an_instance_waits_for_background_tasks_before_it_stops(
    stopping_app: ChassisApp, database: Database, job: Job
) -> None:
    async with serving(stopping_app, database):
        stopping_app.add_background_task(job.run)
        await _wait_for(job.started)
        asyncio.get_running_loop().call_later(LONG_ENOUGH, job.may_end.set)

    assert (job.may_end.is_set(), job.was_cancelled) == (True, False)


async def test_an_instance_cancels_a_background_task_that_takes_too_long(
    stopping_app: ChassisApp, database: Database, job: Job
) -> None:
    stopping_app.config["BACKGROUND_TASK_SHUTDOWN_TIMEOUT"] = LONG_ENOUGH
    async with serving(stopping_app, database):
        stopping_app.add_background_task(job.run)
        await _wait_for(job.started)

    assert job.was_cancelled


async def test_one_instance_at_a_time_holds_the_lock_of_a_job(database: Database) -> None:
    other_database = Database(database.engine.url)
    lock, other = AdvisoryJobLock(database), AdvisoryJobLock(other_database)
    async with lock.hold("cleanup") as is_first, other.hold("cleanup") as is_second, other.hold("report") as is_free:
        assert (is_first, is_second, is_free) == (True, False, True)
    with suppress(ZeroDivisionError):
        async with lock.hold("cleanup"):
            raise ZeroDivisionError
    async with other.hold("cleanup") as is_free:
        assert is_free
    await other_database.close()
