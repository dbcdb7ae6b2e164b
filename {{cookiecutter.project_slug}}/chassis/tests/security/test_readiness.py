"""A probe answers within a second, and is not ready only if the database is away or not migrated."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from quart.typing import TestClientProtocol as Client
from sqlalchemy import make_url, text

from chassis.app import ChassisApp
from chassis.config import ChassisConfig
from chassis.dev.testing.databases import PATIENT
from chassis.domain.exceptions import UnavailableError
from chassis.persistence.database import Database
from chassis.persistence.readiness import MigratedDatabase, create_probe_database
from chassis.tests.sample.create_app import create_app

SECOND = 1.0
SLACK = 0.5  # of a busy machine
PROBES = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'readiness probe'"
TERMINATE = PROBES.replace("count(*)", "pg_terminate_backend(pid, 5000)")


@pytest.fixture(name="own")
async def _own(database: Database) -> AsyncIterator[Database]:
    """A database with a pool of one connection."""
    own = Database(database.engine.url, replace(PATIENT, application_name="readiness", pool_size=1))
    yield own
    await own.close()


@pytest.fixture(name="probe")
async def _probe(own: Database) -> AsyncIterator[Database]:
    probe = create_probe_database(own)
    yield probe
    await probe.close()


@pytest.fixture(name="ready_client")
async def _ready_client(
    app: ChassisApp, config: ChassisConfig, own: Database, probe: Database
) -> AsyncIterator[Client]:
    """A client of an application with these two, whose probe has its connection already."""
    served = create_app(config)
    served.container.database.override(own)
    served.container.probe_database.override(probe)
    client = served.test_client()
    assert (await client.get("/health/ready")).status_code == 200
    yield client
    await served.container.probe_database().close()


async def check_in_time(readiness: MigratedDatabase) -> str | None:
    """Return the reason why it is not ready, and fail if that takes longer than a second."""
    clock = asyncio.get_running_loop().time
    started = clock()
    reason = None
    try:
        await readiness.check()
    except UnavailableError as error:
        reason = str(error)
    assert clock() - started < SECOND + SLACK
    return reason


@asynccontextmanager
async def idle_transaction(database: Database, *statements: str) -> AsyncIterator[None]:
    async with database.transaction(), database.session() as session:
        for statement in ("SELECT 1", *statements):
            await session.execute(text(statement))
        yield


async def get_ready(client: Client) -> int:
    async with asyncio.timeout(SECOND + SLACK):
        return (await client.get("/health/ready")).status_code


async def test_is_ready_while_an_idle_transaction_holds_the_whole_pool(ready_client: Client, own: Database) -> None:
    async with idle_transaction(own):
        assert await get_ready(ready_client) == 200


@pytest.mark.parametrize("table", ["service_context", "sample_others"])
async def test_is_ready_while_a_table_is_locked_and_the_pool_waits_for_it(
    table: str, ready_client: Client, own: Database, database: Database
) -> None:
    async with database.session() as session:
        await session.execute(text("CREATE TABLE IF NOT EXISTS sample_others ()"))
    async with idle_transaction(database, f"LOCK TABLE {table}"):
        waiting = asyncio.create_task(own.read(lambda session: session.execute(text(f"TABLE {table}"))))
        try:
            await asyncio.sleep(0.2)
            assert await get_ready(ready_client) == 200
        finally:
            waiting.cancel()
            with suppress(asyncio.CancelledError):
                await waiting


async def test_many_probes_at_once_share_one_connection(probe: Database, database: Database) -> None:
    readiness = MigratedDatabase(probe)
    async with database.session() as session:
        await session.execute(text(TERMINATE))  # connections of other tests, of whose end PostgreSQL learns late

    await asyncio.gather(*(readiness.check() for _ in range(200)))

    async with database.session() as session:
        assert (await session.scalars(text(PROBES))).one() == 1


async def test_replaces_a_connection_that_the_server_has_terminated(probe: Database, database: Database) -> None:
    readiness = MigratedDatabase(probe)
    await readiness.check()

    async with database.session() as session:
        assert (await session.scalars(text(TERMINATE))).all() == [True]

    assert await check_in_time(readiness) is None


async def test_says_within_a_second_that_the_database_is_down(probe: Database) -> None:
    options = replace(probe.options, connect_timeout=30)
    readiness = MigratedDatabase(Database(make_url("postgresql+asyncpg://nobody@127.0.0.1:1/nothing"), options))

    assert await check_in_time(readiness) == "The database is not available, try again later."


async def test_says_within_a_second_that_the_version_table_is_locked(probe: Database, database: Database) -> None:
    readiness = MigratedDatabase(probe)
    async with idle_transaction(database, "LOCK TABLE alembic_version"):
        assert await check_in_time(readiness) == "The database has not answered within 0.9 s."
        assert await check_in_time(readiness) is not None

    async with asyncio.timeout(30):
        while await check_in_time(readiness):
            await asyncio.sleep(0.05)


async def test_another_database_has_a_probe_of_its_own_as_well(tmp_path: Path) -> None:
    sqlite = Database(make_url(f"sqlite+aiosqlite:///{tmp_path / 'test.db'}"))
    probe = create_probe_database(sqlite)
    readiness: Any = MigratedDatabase(probe)

    assert "quart db upgrade" in str(await check_in_time(readiness))
    async with probe.session() as session:
        await session.execute(text("CREATE TABLE alembic_version (version_num TEXT)"))
        await session.execute(text("INSERT INTO alembic_version VALUES ('of_a_newer_release')"))
    assert await check_in_time(readiness) is None
    await probe.close()
    await sqlite.close()
