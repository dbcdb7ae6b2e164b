import asyncio

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
FLASK_MIGRATE = {
    *("init", "revision", "migrate", "edit", "merge", "upgrade", "downgrade"),
    *("show", "history", "heads", "branches", "current", "stamp", "check"),
}
NEED_A_DATABASE = [
    ["upgrade"],
    ["downgrade"],
    ["stamp"],
    ["current"],
    ["check"],
    ["migrate", "-m", "x"],
    ["revision", "--autogenerate"],
    ["history", "--indicate-current"],
    ["show", "current"],
    ["edit", "current"],
]


async def execute_script(url: URL, script: str) -> None:
    async with autocommit_engine(url).connect() as connection:
        raw = (await connection.get_raw_connection()).driver_connection
        assert raw is not None
        await raw.execute(script)


def test_knows_the_commands_of_flask_migrate() -> None:
    outcome = db(UNREACHABLE, "--help")

    assert {line.split()[0] for line in outcome.out.partition("Commands:\n")[2].splitlines()} == FLASK_MIGRATE


def test_goes_up_and_down_and_says_where_it_is(url: URL) -> None:
    assert db(url, "upgrade").err.startswith("Running upgrade  -> 0001_service_context")
    assert db(url, "upgrade").err == ""
    assert db(url, "check").code == 0
    assert db(url, "downgrade").err.startswith(f"Running downgrade {HEAD} -> ")
    assert db(url, "upgrade", "+1").code == 0
    assert db(url, "downgrade", "-1").code == 0
    assert db(url, "downgrade", "base").code == 0
    assert one_line(db(url, "check").err) == "Error: Target database is not up to date.\n"
    assert one_line(db(url, "migrate").err) == "Error: Target database is not up to date.\n"
    assert db(url, "stamp").code == 0
    assert db(url, "current", "--check-heads").code == 0


@pytest.mark.parametrize(("arguments", "tables_after"), [(["upgrade"], True), (["downgrade", "head:base"], False)])
def test_sql_is_written_without_a_database(url: URL, arguments: list[str], tables_after: bool) -> None:
    if not tables_after:
        db(url, "upgrade")

    outcome = db(UNREACHABLE, *arguments, "--sql")

    assert outcome.code == 0
    asyncio.run(execute_script(url, outcome.out))
    assert ("service_context" in asyncio.run(tables(url))) is tables_after


@pytest.mark.parametrize("arguments", NEED_A_DATABASE, ids=" ".join)
def test_a_database_that_cannot_be_reached_is_one_line(arguments: list[str]) -> None:
    outcome = db(UNREACHABLE, *arguments)

    assert outcome.code == 1
    assert "cannot be reached" in one_line(outcome.err)


async def test_an_error_is_one_line_for_the_operator_too() -> None:
    outcome = await quart(UNREACHABLE, "db", "upgrade")

    assert outcome.code == 1
    assert "cannot be reached" in one_line(outcome.err)


def test_a_database_that_does_not_exist_is_one_line(database_url: URL) -> None:
    outcome = db(database_url.set(database="nonsense"), "upgrade")

    assert outcome.code == 1
    assert 'database "nonsense" does not exist' in one_line(outcome.err)


def test_a_database_of_another_history_is_one_line(url: URL) -> None:
    db(url, "upgrade")
    asyncio.run(execute(url, "UPDATE alembic_version SET version_num = 'nonsense'"))

    for arguments in (["upgrade"], ["downgrade"], ["current"], ["check"], ["stamp"]):
        assert one_line(db(url, *arguments).err) == "Error: Can't locate revision identified by 'nonsense'\n"
    assert db(url, "stamp", "--purge").code == 0
    assert db(url, "check").code == 0


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["upgrade", "--nonsense"], ["upgrade", "a", "b"], ["migrate", "-m"]], ids=" ".join
)
def test_wrong_usage_is_exit_code_2(arguments: list[str]) -> None:
    assert db(UNREACHABLE, *arguments).code == 2
