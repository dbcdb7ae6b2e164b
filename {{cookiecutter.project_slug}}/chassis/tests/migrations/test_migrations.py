from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import URL, make_url
from sqlalchemy.exc import DBAPIError

from chassis.dev.testing.databases import PATIENT
from chassis.dev.testing.migrations import MigrationDatabase, new_database
from chassis.dev.testing.sqlite import DATABASE_KINDS
from chassis.domain.exceptions import UnavailableError
from chassis.maintenance.table import ServiceContextModel
from chassis.persistence.database import Database
from chassis.persistence.migrations import MIGRATIONS, alembic_config
from chassis.persistence.readiness import MigratedDatabase
from chassis.tests.command_line import execute, tables


@pytest.fixture(name="url", params=DATABASE_KINDS)
async def _url(
    request: pytest.FixtureRequest, database_url: URL, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[URL]:
    if request.param == "sqlite":
        yield make_url(f"sqlite+aiosqlite:///{tmp_path_factory.mktemp('sqlite')}/test.db")
        return
    async with new_database(database_url) as url:
        yield url


def oldest_first(directory: Path) -> list[str]:
    scripts = ScriptDirectory.from_config(alembic_config(directory))
    return [script.revision for script in scripts.walk_revisions()][::-1]


async def walk(url: URL, directory: Path) -> None:
    """Apply, revert and apply each revision again, and revert all of them at the end."""
    database = MigrationDatabase(url, directory)
    for revision in oldest_first(directory):
        before = await tables(url)
        await database.apply(revision)
        after = await tables(url)
        await database.apply(revision, up=False)
        assert await tables(url) == before | {"alembic_version"}
        await database.apply(revision)
        assert await tables(url) == after

    await database.downgrade("base")
    assert await tables(url) == {"alembic_version"}


async def test_every_revision_can_be_applied_reverted_and_applied_again(url: URL) -> None:
    await walk(url, MIGRATIONS)


@pytest.mark.parametrize("history", ["line", "diamond"])
async def test_walks_through_histories_with_branches(url: URL, history: str, request: pytest.FixtureRequest) -> None:
    await walk(url, request.getfixturevalue(history))


async def test_the_migrations_create_all_that_the_models_have(url: URL) -> None:
    database = MigrationDatabase(url)

    await database.upgrade()

    await database.check()


async def test_the_history_has_one_head_and_begins_without_the_example() -> None:
    scripts = ScriptDirectory.from_config(alembic_config())

    assert len(scripts.get_heads()) == 1, "Join the heads: quart db merge heads"
    assert oldest_first(MIGRATIONS)[0] == "0001_service_context"


async def test_the_service_context_has_at_most_one_row(url: URL) -> None:
    await MigrationDatabase(url).upgrade()
    table = ServiceContextModel.__tablename__

    await execute(url, f"INSERT INTO {table} (id) VALUES (1)")

    with pytest.raises(DBAPIError, match="ck_service_context_one_row"):
        await execute(url, f"INSERT INTO {table} (id) VALUES (2)")


async def test_is_ready_at_the_newest_revision_or_an_unknown_one(url: URL) -> None:
    database = Database(url, PATIENT)
    readiness = MigratedDatabase(database)

    with pytest.raises(UnavailableError, match="quart db upgrade"):
        await readiness.check()
    await MigrationDatabase(url).upgrade()
    await readiness.check()
    await execute(url, "UPDATE alembic_version SET version_num = 'of_a_newer_release'")
    await readiness.check()
    await execute(url, "DELETE FROM alembic_version")
    with pytest.raises(UnavailableError, match="quart db upgrade"):
        await readiness.check()

    await database.close()
