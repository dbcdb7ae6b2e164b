from collections.abc import AsyncIterator, Callable

import pytest
from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, make_url
from sqlalchemy.exc import DBAPIError

from chassis.dev.testing.databases import PATIENT
from chassis.domain.exceptions import UnavailableError
from chassis.maintenance.table import ServiceContextModel
from chassis.persistence.database import Database
from chassis.persistence.engine import create_migration_engine
from chassis.persistence.migrations import alembic_config
from chassis.persistence.readiness import MigratedDatabase
from chassis.tests.command_line import execute, new_database, tables

SCRIPTS = ScriptDirectory.from_config(alembic_config())
OLDEST_FIRST = [script.revision for script in SCRIPTS.walk_revisions()][::-1]


@pytest.fixture(name="url", params=["postgresql", "sqlite"])
async def _url(
    request: pytest.FixtureRequest, database_url: URL, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[URL]:
    if request.param == "sqlite":
        yield make_url(f"sqlite+aiosqlite:///{tmp_path_factory.mktemp('sqlite')}/test.db")
        return
    async with new_database(database_url) as url:
        yield url


async def migrate(url: URL, run: Callable[..., object], *arguments: str) -> None:
    """Runs one of Alembic's commands on a connection of the running loop."""

    def run_on(connection: Connection) -> None:
        config: AlembicConfig = alembic_config()
        config.attributes["connection"] = connection
        run(config, *arguments)

    async with create_migration_engine(url).connect() as connection:
        await connection.run_sync(run_on)


async def test_every_revision_goes_up_and_down_and_up_again(url: URL) -> None:
    for revision in OLDEST_FIRST:
        before = await tables(url)

        await migrate(url, command.upgrade, revision)
        after = await tables(url)
        await migrate(url, command.downgrade, "-1")

        assert await tables(url) == before | {"alembic_version"}
        await migrate(url, command.upgrade, revision)
        assert await tables(url) == after

    await migrate(url, command.downgrade, "base")
    assert await tables(url) == {"alembic_version"}


async def test_the_models_have_nothing_that_the_migrations_lack(url: URL) -> None:
    await migrate(url, command.upgrade, "head")

    await migrate(url, command.check)


async def test_revisions_form_one_line_whose_beginning_needs_no_example() -> None:
    assert len(SCRIPTS.get_heads()) == 1
    assert OLDEST_FIRST[0] == "0001_service_context"


async def test_the_service_context_has_one_row_at_most(url: URL) -> None:
    await migrate(url, command.upgrade, "head")
    table = ServiceContextModel.__tablename__

    await execute(url, f"INSERT INTO {table} (id) VALUES (1)")

    with pytest.raises(DBAPIError, match="ck_service_context_one_row"):
        await execute(url, f"INSERT INTO {table} (id) VALUES (2)")


async def test_ready_is_a_database_with_all_revisions_or_newer_ones(url: URL) -> None:
    database = Database(url, PATIENT)
    readiness = MigratedDatabase(database)

    with pytest.raises(UnavailableError, match="quart db upgrade"):
        await readiness.check()
    await migrate(url, command.upgrade, "head")
    await readiness.check()
    await execute(url, "UPDATE alembic_version SET version_num = 'of_a_newer_release'")
    await readiness.check()
    await execute(url, "DELETE FROM alembic_version")
    with pytest.raises(UnavailableError, match="quart db upgrade"):
        await readiness.check()

    await database.close()
