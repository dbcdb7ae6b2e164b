import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import URL

from chassis.persistence.migrations import alembic_config
from chassis.tests.command_line import (
    UNREACHABLE,
    autocommit_engine,
    db,
    execute,
    one_line,
    quart,
    tables,
)

HEAD = ScriptDirectory.from_config(alembic_config()).get_current_head()
BROKEN_REVISION = """
from alembic import op

revision = "broken"
down_revision = {head!r}


def upgrade() -> None:
    op.execute("CREATE TABLE half (id integer)")
    op.execute("SELECT nonsense")


def downgrade() -> None: ...
"""
PAUSES = """
import time
from alembic import op

revision = "pauses"
down_revision = {head!r}


def upgrade() -> None:
    op.execute("CREATE TABLE half (id integer)")
    time.sleep(0.5)
    {in_between}
    op.execute("SELECT 1 / (current_setting('idle_in_transaction_session_timeout') = '0')::integer")


def downgrade() -> None: ...
"""
AUTOCOMMIT = """with op.get_context().autocommit_block():
        op.execute("CREATE INDEX CONCURRENTLY ON half (id)")"""


@pytest.fixture(name="table_in_use")
async def _table_in_use(url: URL) -> AsyncIterator[None]:
    await execute(url, "CREATE TABLE service_context (id integer)")
    async with autocommit_engine(url).execution_options(isolation_level="READ COMMITTED").begin() as connection:
        await connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = '60s'")  # fail, not hang
        await connection.exec_driver_sql("SELECT * FROM service_context")
        yield


async def test_three_upgrades_at_once_migrate_once(url: URL) -> None:
    outcomes = await asyncio.gather(*(quart(url, "db", "upgrade") for _ in range(3)))

    assert [outcome.code for outcome in outcomes] == [0, 0, 0], outcomes
    assert len([outcome for outcome in outcomes if "Running upgrade" in outcome.err]) == 1
    async with autocommit_engine(url).connect() as connection:
        rows = await connection.exec_driver_sql("SELECT version_num FROM alembic_version")
        assert [row.version_num for row in rows] == [HEAD]


async def test_a_password_may_hold_any_character(url: URL) -> None:
    role, password = f"role_{url.database}", "50%/@:%40 p#?"
    await execute(url, f"""CREATE ROLE "{role}" SUPERUSER LOGIN PASSWORD '{password}'""".replace(":", r"\:"))
    try:
        outcome = await quart(url.set(username=role, password=password), "db", "upgrade")
    finally:
        await execute(url, f'REASSIGN OWNED BY "{role}" TO CURRENT_USER', f'DROP ROLE "{role}"')

    assert (outcome.code, outcome.out) == (0, ""), outcome
    assert password not in outcome.err
    assert "service_context" in await tables(url)


def test_an_upgrade_that_fails_leaves_nothing(url: URL, directory: str) -> None:
    Path(directory, "versions", "broken.py").write_text(BROKEN_REVISION.format(head=HEAD))

    outcome = db(url, "upgrade", "-d", directory)

    assert outcome.code == 1
    assert outcome.err.splitlines()[-1] == 'Error: The database refused: column "nonsense" does not exist'
    assert asyncio.run(tables(url)) == set()


def test_an_upgrade_that_fails_shows_no_values(url: URL, directory: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_LEVEL", "DEBUG")
    bound = """op.get_bind().execute(text("SELECT nonsense, :value"), {"value": "sword" + "fish"})"""
    revision = BROKEN_REVISION.format(head=HEAD).replace('op.execute("SELECT nonsense")', bound)
    Path(directory, "versions", "broken.py").write_text(f"from sqlalchemy import text\n{revision}")

    outcome = asyncio.run(quart(url, "db", "upgrade", "-d", directory))

    assert "SELECT nonsense" in outcome.err
    assert "swordfish" not in outcome.err


@pytest.mark.parametrize(("query", "in_between"), [("", ""), ("", AUTOCOMMIT), ("pgbouncer=true", "")])
def test_an_upgrade_may_compute_for_long_between_two_statements(
    url: URL, directory: str, query: str, in_between: str
) -> None:
    asyncio.run(execute(url, f"ALTER DATABASE \"{url.database}\" SET idle_in_transaction_session_timeout = '100ms'"))
    Path(directory, "versions", "pauses.py").write_text(PAUSES.format(head=HEAD, in_between=in_between))

    outcome = db(url.update_query_string(query), "upgrade", "-d", directory)

    assert outcome.code == 0, outcome
    assert "half" in asyncio.run(tables(url))


@pytest.mark.usefixtures("table_in_use")
def test_a_lock_that_somebody_holds_is_not_waited_for_forever(url: URL, directory: str) -> None:
    text = BROKEN_REVISION.format(head=None).replace("SELECT nonsense", "DROP TABLE service_context")
    for path in Path(directory, "versions").glob("*.py"):
        path.unlink()
    Path(directory, "versions", "broken.py").write_text(text)

    outcome = db(url, "upgrade", "-d", directory, "-x", "lock_timeout=100ms")

    assert "Somebody else holds a lock" in outcome.err
    assert outcome.code == 1


def test_a_revision_that_is_missing_is_one_line(directory: str) -> None:
    text = BROKEN_REVISION.format(head="nonsense")
    Path(directory, "versions", "broken.py").write_text(text)

    outcome = db(UNREACHABLE, "heads", "-d", directory)

    assert outcome.code == 1
    assert one_line(outcome.err).startswith("Error: Revision nonsense referenced from nonsense -> broken")
