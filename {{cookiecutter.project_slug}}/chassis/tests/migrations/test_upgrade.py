import asyncio
import os
import re
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config as AlembicConfig
from sqlalchemy import URL, Connection
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.config import ROOT
from chassis.persistence.database import Database
from chassis.persistence.engine import create_migration_engine
from chassis.persistence.migrations import MIGRATIONS, alembic_config, create_migrations
from chassis.tests.command_line import (
    UNREACHABLE,
    Outcome,
    autocommit_engine,
    db,
    execute,
    one_line,
    quart,
    tables,
)

HEAD = "0001_service_context"  # in the directory of these tests, whatever history the project has
REVISION = """
import time

from alembic import op
from sqlalchemy import text

revision = {name!r}
down_revision = {after!r}


def upgrade() -> None:
    {upgrade}


def downgrade() -> None:
    {downgrade}
"""
BROKEN = """
op.execute("CREATE TABLE sample_half (id integer)")
op.execute("SELECT nonsense")
"""
CONCURRENT_INDEX = """
with op.get_context().autocommit_block():
    op.execute("CREATE INDEX CONCURRENTLY ix_visits ON sample_visits (id)")
"""
DROP_CONCURRENT_INDEX = """
with op.get_context().autocommit_block():
    op.execute("DROP INDEX CONCURRENTLY ix_visits")
"""
ALTER = 'op.execute("ALTER TABLE service_context ADD added integer")'
DROP_ADDED = 'op.execute("ALTER TABLE service_context DROP added")'
IS_PROTECTED = """
op.execute(
    "SELECT 1 / (count(*) = 1 AND current_setting('lock_timeout') = '1234ms'"
    " AND current_setting('statement_timeout') = '0'"
    " AND current_setting('idle_in_transaction_session_timeout') = '0')::integer"
    " FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND granted"
)
"""
READ_LOCK = "LOCK TABLE service_context IN ACCESS SHARE MODE"  # without a snapshot, for which an index would wait
IS_MIGRATION = "application_name = 'migrations' AND datname = current_database()"
NOBODY_MIGRATES = """
SELECT count(*) = 0 FROM pg_locks JOIN pg_database ON database = pg_database.oid
WHERE locktype = 'advisory' AND datname = current_database()
"""


@pytest.fixture(name="directory")
def _directory(tmp_path: Path) -> str:
    """Migrations with the first revision of every project, to write into."""
    directory = tmp_path / "migrations"
    create_migrations(directory)
    shutil.copy(MIGRATIONS / "versions" / f"{HEAD}.py", directory / "versions")
    return str(directory)


def write_revision(directory: str, name: str, upgrade: str, *, after: str = HEAD, downgrade: str = "pass") -> None:
    """Write a revision whose functions have these bodies."""
    bodies = {"upgrade": upgrade, "downgrade": downgrade}
    indented = {key: body.strip().replace("\n", "\n    ") for key, body in bodies.items()}
    Path(directory, "versions", f"{name}.py").write_text(REVISION.format(name=name, after=after, **indented))


def write_concurrent_index(directory: str) -> None:
    """Write three revisions: a table, an index on it that is built concurrently, and one that alters another table."""
    create, drop = (
        f'op.execute("{words}")' for words in ("CREATE TABLE sample_visits (id integer)", "DROP TABLE sample_visits")
    )
    write_revision(directory, "visits", create, downgrade=drop)
    write_revision(directory, "index", CONCURRENT_INDEX, after="visits", downgrade=DROP_CONCURRENT_INDEX)
    write_revision(directory, "alter", ALTER, after="index", downgrade=DROP_ADDED)


async def upgrade(url: URL, directory: str, *limits: str) -> Outcome:
    """Run `quart db upgrade` in a thread, so that this loop can do something else."""
    return await asyncio.to_thread(db, url, "upgrade", "-d", directory, *limits)


async def query(url: URL, statement: str) -> object:
    async with autocommit_engine(url).connect() as connection:
        return (await connection.exec_driver_sql(statement)).scalar()


async def revision_of(url: URL) -> object:
    return await query(url, "SELECT version_num FROM alembic_version")


async def wait_until(url: URL, condition: str) -> None:
    async with asyncio.timeout(60), autocommit_engine(url).connect() as connection:
        while not (await connection.exec_driver_sql(condition)).scalar():
            await asyncio.sleep(0.05)


@asynccontextmanager
async def idle_transaction(url: URL, statement: str = READ_LOCK) -> AsyncIterator[None]:
    """Hold the locks of the statement until the block ends."""
    async with autocommit_engine(url).execution_options(isolation_level="READ COMMITTED").begin() as connection:
        await connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = '60s'")  # fail, not hang
        await connection.exec_driver_sql(statement)
        yield


async def longest_read(url: URL, until: asyncio.Event) -> float:
    """Read the table of the maintenance window again and again; return how many seconds the slowest read took."""
    slowest = 0.0
    async with autocommit_engine(url).connect() as connection:
        while not until.is_set():
            started = time.monotonic()
            await connection.exec_driver_sql("SELECT 1 FROM service_context")
            slowest = max(slowest, time.monotonic() - started)
            await asyncio.sleep(0.005)
    return slowest


async def test_three_upgrades_at_once_migrate_once(url: URL, head: str) -> None:
    outcomes = await asyncio.gather(*(quart(url, "db", "upgrade") for _ in range(3)))

    assert [outcome.code for outcome in outcomes] == [0, 0, 0], outcomes
    assert len([outcome for outcome in outcomes if "Running upgrade" in outcome.err]) == 1
    assert await revision_of(url) == head


async def test_three_upgrades_at_once_build_an_index_concurrently_once(url: URL, directory: str) -> None:
    write_revision(directory, "visits", 'op.execute("CREATE TABLE sample_visits (id integer)")')
    await upgrade(url, directory)
    write_concurrent_index(directory)

    async with idle_transaction(url, "INSERT INTO sample_visits VALUES (1)"):  # the index waits for it
        running = [asyncio.create_task(quart(url, "db", "upgrade", "-d", directory)) for _ in range(3)]
        await wait_until(url, f"SELECT count(*) = 3 FROM pg_stat_activity WHERE {IS_MIGRATION}")
        await wait_until(url, "SELECT count(*) = 1 FROM pg_index WHERE NOT indisvalid")
        await asyncio.sleep(1)
    outcomes = await asyncio.gather(*running)

    assert [outcome.code for outcome in outcomes] == [0, 0, 0], outcomes
    assert len([outcome for outcome in outcomes if "Running upgrade" in outcome.err]) == 1
    assert await revision_of(url) == "alter"
    assert await query(url, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'ix_visits'::regclass")


def test_lock_and_timeouts_hold_for_every_statement_of_every_revision(url: URL, directory: str) -> None:
    block = f"with op.get_context().autocommit_block():{IS_PROTECTED}".replace("\n", "\n    ")
    write_revision(directory, "first", IS_PROTECTED + block + IS_PROTECTED)
    write_revision(directory, "second", IS_PROTECTED, after="first")

    outcome = db(url, "upgrade", "-d", directory, "-x", "lock_timeout=1234ms")

    assert outcome.code == 0, outcome
    assert asyncio.run(query(url, NOBODY_MIGRATES))


@pytest.mark.parametrize("options", ["", "pgbouncer=true"])
async def test_gives_way_to_requests_until_the_lock_is_free(
    url: URL, directory: str, options: str, request: pytest.FixtureRequest
) -> None:
    limits = ["-x", "lock_timeout=300ms", "-x", "lock_wait=60s"]
    await upgrade(url, directory)
    write_revision(directory, "alter", ALTER)
    done = asyncio.Event()
    reader = asyncio.create_task(longest_read(url, done))

    async with idle_transaction(url):
        running = asyncio.create_task(upgrade(url.update_query_string(options), directory, *limits))
        await wait_until(url, "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'")
        await asyncio.sleep(4)
    outcome = await running
    done.set()
    slowest = await reader
    request.node.add_report_section("call", "locks", f"The slowest read took {slowest:.3f} s.")

    assert outcome.code == 0, outcome
    assert await revision_of(url) == "alter"
    assert "Another session holds a lock that is needed (attempt 2): trying again in 1.0 s" in outcome.err
    assert 0.2 < slowest < 2.5, "a reader waits for one attempt, not for the migration"


async def test_gives_up_when_the_time_is_over_and_changes_nothing(
    url: URL, directory: str, request: pytest.FixtureRequest
) -> None:
    await upgrade(url, directory)
    write_revision(directory, "table", 'op.execute("CREATE TABLE sample_half (id integer)")')
    write_revision(directory, "alter", ALTER, after="table")
    done = asyncio.Event()
    reader = asyncio.create_task(longest_read(url, done))

    async with idle_transaction(url):
        started = time.monotonic()
        outcome = await upgrade(url, directory, "-x", "lock_timeout=200ms", "-x", "lock_wait=2s")
        seconds = time.monotonic() - started
    done.set()
    slowest = await reader
    request.node.add_report_section("call", "locks", f"The slowest read took {slowest:.3f} s.")

    assert outcome.code == 1
    assert re.fullmatch(
        r"Error: Another session holds a lock that is needed \(attempts: [2-9], within 2 s\): try again later, or .*",
        outcome.err.splitlines()[-1],
    )
    assert (await revision_of(url), "sample_half" in await tables(url)) == (HEAD, False)
    assert seconds > 2
    assert slowest < 1.8, "a reader waits for one attempt, not for the migration"


async def test_without_a_time_to_wait_there_is_one_attempt(url: URL, directory: str) -> None:
    await upgrade(url, directory)
    write_revision(directory, "alter", ALTER)

    async with idle_transaction(url):
        outcome = await upgrade(url, directory, "-x", "lock_timeout=100ms", "-x", "lock_wait=0")

    assert (outcome.code, outcome.out) == (1, "")
    assert "Error: Another session holds a lock that is needed (attempts: 1, within 0 s): " in outcome.err


async def test_does_not_repeat_a_concurrent_index_that_is_committed(url: URL, directory: str) -> None:
    limits = ["-x", "lock_timeout=200ms", "-x", "lock_wait=1s"]
    await upgrade(url, directory)
    write_concurrent_index(directory)

    async with idle_transaction(url):
        failed = await upgrade(url, directory, *limits)
        revision = await revision_of(url)
    repeated = await upgrade(url, directory, *limits)

    assert (failed.code, revision) == (1, "index"), failed
    assert failed.err.count("Running upgrade visits -> index") == 1
    assert failed.err.count("Running upgrade index -> alter") > 1
    assert (repeated.code, await revision_of(url)) == (0, "alter"), repeated
    assert "Running upgrade visits -> index" not in repeated.err


@pytest.mark.parametrize(
    "body",
    [
        f"{CONCURRENT_INDEX}{ALTER}",
        f'{CONCURRENT_INDEX}op.execute("INSERT INTO sample_visits VALUES (1)")\n'
        f"{ALTER}\n{ALTER.replace('added', 'other')}",
        f"with op.get_context().autocommit_block():\n    {ALTER}",
    ],
    ids=["after a block", "between other statements after a block", "in a block"],
)
async def test_statements_of_a_revision_with_a_block_are_repeated_one_by_one(
    url: URL, directory: str, body: str
) -> None:
    write_revision(directory, "visits", 'op.execute("CREATE TABLE sample_visits (id integer)")')
    await upgrade(url, directory)
    write_revision(directory, "mixed", body, after="visits")

    async with idle_transaction(url):
        running = asyncio.create_task(upgrade(url, directory, "-x", "lock_timeout=200ms"))
        await wait_until(url, "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'")
        await asyncio.sleep(1)
    outcome = await running

    assert (outcome.code, await revision_of(url)) == (0, "mixed"), outcome
    assert outcome.err.count("Running upgrade") == 1
    assert "(attempt 2)" in outcome.err
    assert await query(url, "SELECT count(*) FROM sample_visits") == body.count("INSERT")


async def test_reports_a_revision_that_stops_halfway(url: URL, directory: str) -> None:
    limits = ["-x", "lock_timeout=100ms", "-x", "lock_wait=300ms"]
    write_revision(directory, "visits", 'op.execute("CREATE TABLE sample_visits (id integer)")')
    await upgrade(url, directory)
    write_revision(directory, "mixed", f"{CONCURRENT_INDEX}{ALTER}", after="visits")

    async with idle_transaction(url):
        outcome = await upgrade(url, directory, *limits)

    assert (outcome.code, await revision_of(url)) == (1, "visits")
    assert outcome.err.endswith(
        "The last revision has stopped halfway: everything up to its autocommit_block() is committed.\n"
    )


async def test_a_concurrent_index_may_wait_longer_than_the_lock_timeout(url: URL, directory: str) -> None:
    limits = ["-x", "lock_timeout=100ms", "-x", "lock_wait=30s"]
    write_revision(directory, "visits", 'op.execute("CREATE TABLE sample_visits (id integer)")')
    await upgrade(url, directory)
    write_revision(directory, "index", CONCURRENT_INDEX + IS_PROTECTED.replace("1234ms", "100ms"), after="visits")

    async with idle_transaction(url, "INSERT INTO sample_visits VALUES (1)"):
        running = asyncio.create_task(upgrade(url, directory, *limits))
        await wait_until(url, "SELECT count(*) > 0 FROM pg_index WHERE NOT indisvalid")
        await asyncio.sleep(1)
    outcome = await running

    assert outcome.code == 0, outcome
    assert await query(url, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'ix_visits'::regclass")


async def test_a_concurrent_index_that_is_not_finished_in_time_is_named(url: URL, directory: str) -> None:
    limits = ["-x", "lock_timeout=100ms", "-x", "lock_wait=1s"]
    write_revision(directory, "visits", 'op.execute("CREATE TABLE sample_visits (id integer)")')
    await upgrade(url, directory)
    write_revision(directory, "index", CONCURRENT_INDEX, after="visits")

    async with idle_transaction(url, "INSERT INTO sample_visits VALUES (1)"):
        outcome = await upgrade(url, directory, *limits)

    assert (outcome.code, await revision_of(url)) == (1, "visits")
    assert "Error: CONCURRENTLY waited in vain for other transactions, 1000ms at most: try again when" in outcome.err
    assert outcome.err.endswith("Drop the indexes that are invalid: ix_visits.\n")


async def test_relative_steps_are_not_counted_again_after_the_first_is_committed(url: URL, directory: str) -> None:
    write_revision(directory, "visits", 'op.execute("CREATE TABLE sample_visits (id integer)")')
    write_revision(directory, "alter", ALTER, after="visits", downgrade=DROP_ADDED)
    write_revision(directory, "index", CONCURRENT_INDEX, after="alter", downgrade=DROP_CONCURRENT_INDEX)
    await upgrade(url, directory)

    async with idle_transaction(url):
        outcome = await asyncio.to_thread(db, url, "downgrade", "-d", directory, "-x", "lock_timeout=100ms", "--", "-2")

    assert (outcome.code, await revision_of(url)) == (1, "alter"), outcome
    assert outcome.err.endswith("not all revisions are done: `quart db current` shows the last one.\n")


@pytest.mark.parametrize("block", ["", CONCURRENT_INDEX], ids=["in a transaction", "after a concurrent index"])
async def test_another_instance_migrates_when_the_first_one_is_killed(url: URL, directory: str, block: str) -> None:
    write_revision(directory, "visits", 'op.execute("CREATE TABLE sample_visits (id integer)")')
    write_revision(directory, "index", block or "pass", after="visits")
    write_revision(directory, "slow", f"{ALTER}\ntime.sleep(60)", after="index")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "quart", "--app", "src/app", "db", "upgrade", "-d", directory),
        cwd=ROOT,
        env={**os.environ, "SQLALCHEMY_DATABASE_URI": url.render_as_string(hide_password=False)},
        stderr=asyncio.subprocess.DEVNULL,
    )
    await wait_until(url, "SELECT count(*) > 0 FROM pg_stat_activity WHERE query ~ '^ALTER' AND state ~ '^idle'")

    write_revision(directory, "slow", ALTER, after="index")
    waiting = asyncio.create_task(upgrade(url, directory))
    paused = "state = 'idle' AND query ~ '^ROLLBACK' AND state_change < now() - interval '0.1 s'"  # after it has tried
    await wait_until(url, f"SELECT count(*) = 1 FROM pg_stat_activity WHERE {IS_MIGRATION} AND {paused}")
    process.send_signal(signal.SIGKILL)
    outcome = await waiting
    await process.wait()

    assert (outcome.code, await revision_of(url)) == (0, "slow"), outcome
    assert "Another instance is migrating this database, waiting for it" in outcome.err
    assert outcome.err.count("Running upgrade") == (1 if block else 4)


def test_refuses_an_autocommit_block_through_pgbouncer_before_anything_is_changed(url: URL, directory: str) -> None:
    write_concurrent_index(directory)

    outcome = db(url.update_query_string("pgbouncer=true"), "upgrade", "-d", directory)

    assert outcome.code == 1
    assert outcome.err.splitlines()[-1].startswith("Error: An autocommit_block() needs a session of its own")
    assert asyncio.run(tables(url)) == set()


@pytest.mark.parametrize("limit", ["lock_wait=soon", "lock_wait=5 weeks", "lock_timeout=-1", "lock_timeout="])
def test_a_limit_that_is_not_a_time_is_one_line(url: URL, limit: str) -> None:
    outcome = db(url, "upgrade", "-x", limit)

    assert outcome.code == 1
    assert one_line(outcome.err) == f"Error: -x {limit} is not a time: write it as 500ms, 60s or 5min.\n"


async def migrate(connection: AsyncConnection, directory: str, run: Callable[..., object], revision: str) -> None:
    """Run one of Alembic's commands on a connection of the running loop."""

    def run_on(sync_connection: Connection) -> None:
        config: AlembicConfig = alembic_config(Path(directory))
        config.attributes["connection"] = sync_connection
        run(config, revision)

    await connection.run_sync(run_on)


async def test_revisions_with_a_concurrent_index_go_up_and_down_and_up_again(url: URL, directory: str) -> None:
    write_concurrent_index(directory)

    async with create_migration_engine(url).connect() as connection:
        for step in ("visits", "index", "alter"):
            await migrate(connection, directory, command.upgrade, step)
            await migrate(connection, directory, command.downgrade, "-1")
            await migrate(connection, directory, command.upgrade, step)
            assert await revision_of(url) == step
        await migrate(connection, directory, command.downgrade, "base")

    assert await tables(url) == {"alembic_version"}


async def test_a_connection_of_a_pool_gets_its_own_settings_back(url: URL, directory: str) -> None:
    """The fixtures of the tests migrate on such a connection."""
    write_concurrent_index(directory)
    database = Database(url)
    names = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")

    async with database.engine.connect() as connection:
        before = [(await connection.exec_driver_sql(f"SHOW {name}")).scalar() for name in names]
        await connection.commit()
        await connection.execution_options(isolation_level="READ COMMITTED")
        await migrate(connection, directory, command.upgrade, "head")
        after = [(await connection.exec_driver_sql(f"SHOW {name}")).scalar() for name in names]
        nobody_migrates = (await connection.exec_driver_sql(NOBODY_MIGRATES)).scalar()

    await database.close()
    assert (after, before[1]) == (before, "10s")
    assert nobody_migrates


async def test_a_transaction_of_the_caller_stays_open(url: URL, directory: str) -> None:
    async with create_migration_engine(url).connect() as connection, connection.begin() as transaction:
        await migrate(connection, directory, command.upgrade, "head")
        await transaction.rollback()

    assert await tables(url) == set()


async def test_a_password_may_contain_any_character(url: URL) -> None:
    role, password = f"role_{url.database}", "50%/@:%40 p#?"
    await execute(url, f"""CREATE ROLE "{role}" SUPERUSER LOGIN PASSWORD '{password}'""".replace(":", r"\:"))
    try:
        outcome = await quart(url.set(username=role, password=password), "db", "upgrade")
    finally:
        await execute(url, f'REASSIGN OWNED BY "{role}" TO CURRENT_USER', f'DROP ROLE "{role}"')

    assert (outcome.code, outcome.out) == (0, ""), outcome
    assert password not in outcome.err
    assert "service_context" in await tables(url)


def test_an_upgrade_that_fails_changes_nothing(url: URL, directory: str) -> None:
    write_revision(directory, "broken", BROKEN)

    outcome = db(url, "upgrade", "-d", directory)

    assert outcome.code == 1
    assert outcome.err.splitlines()[-1] == 'Error: The database refused: column "nonsense" does not exist'
    assert asyncio.run(tables(url)) == set()


def test_an_upgrade_that_fails_shows_no_values(url: URL, directory: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_LEVEL", "DEBUG")
    bound = """op.get_bind().execute(text("SELECT nonsense, :value"), {"value": "sword" + "fish"})"""
    write_revision(directory, "broken", bound)

    outcome = asyncio.run(quart(url, "db", "upgrade", "-d", directory))

    assert "SELECT nonsense" in outcome.err
    assert "swordfish" not in outcome.err


@pytest.mark.parametrize(("options", "block"), [("", ""), ("", CONCURRENT_INDEX), ("pgbouncer=true", "")])
def test_an_upgrade_may_compute_for_long_between_two_statements(
    url: URL, directory: str, options: str, block: str
) -> None:
    asyncio.run(execute(url, f"ALTER DATABASE \"{url.database}\" SET idle_in_transaction_session_timeout = '1s'"))
    protected = IS_PROTECTED.replace("1234ms", "2s")
    write_revision(
        directory, "pauses", f'op.execute("CREATE TABLE sample_visits (id integer)")\ntime.sleep(2)\n{block}{protected}'
    )

    outcome = db(url.update_query_string(options), "upgrade", "-d", directory)

    assert outcome.code == 0, outcome
    assert "sample_visits" in asyncio.run(tables(url))


def test_a_revision_that_is_missing_is_one_line(directory: str) -> None:
    write_revision(directory, "broken", BROKEN, after="nonsense")

    outcome = db(UNREACHABLE, "heads", "-d", directory)

    assert outcome.code == 1
    assert one_line(outcome.err).startswith("Error: Revision nonsense referenced from nonsense -> broken")
