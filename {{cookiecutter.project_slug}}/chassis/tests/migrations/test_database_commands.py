import asyncio
from pathlib import Path

import pytest
from sqlalchemy import URL

from chassis.tests.command_line import UNREACHABLE, autocommit_engine, db, execute, one_line, quart, tables

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


def test_has_the_commands_of_flask_migrate() -> None:
    outcome = db(UNREACHABLE, "--help")

    assert {line.split()[0] for line in outcome.out.partition("Commands:\n")[2].splitlines()} == FLASK_MIGRATE


def test_upgrades_and_downgrades_and_reports_each_step(url: URL, line: Path) -> None:
    assert db(url, "upgrade", "-d", str(line)).err == (
        "Running upgrade  -> first, first\nRunning upgrade first -> second, second\n"
    )
    assert db(url, "upgrade", "-d", str(line)).err == ""
    assert db(url, "downgrade", "-d", str(line)).err == "Running downgrade second -> first, second\n"
    assert db(url, "upgrade", "+1", "-d", str(line)).code == 0
    assert db(url, "downgrade", "-1", "-d", str(line)).code == 0
    assert db(url, "downgrade", "base", "-d", str(line)).code == 0
    assert asyncio.run(tables(url)) == {"alembic_version"}
    assert db(url, "stamp", "-d", str(line)).code == 0
    assert db(url, "current", "--check-heads", "-d", str(line)).code == 0


def test_check_and_migrate_require_the_newest_revision(url: URL) -> None:
    for command in ("check", "migrate"):
        assert one_line(db(url, command).err) == "Error: Target database is not up to date.\n"

    db(url, "upgrade")

    assert db(url, "check").code == 0


@pytest.mark.parametrize("history", ["line", "diamond"])
@pytest.mark.parametrize(("arguments", "created"), [(["upgrade"], True), (["downgrade", "head:base"], False)])
def test_writes_sql_without_a_database(
    url: URL, history: str, arguments: list[str], created: bool, request: pytest.FixtureRequest
) -> None:
    directory = str(request.getfixturevalue(history))
    if not created:
        db(url, "upgrade", "-d", directory)

    outcome = db(UNREACHABLE, *arguments, "--sql", "-d", directory)

    assert outcome.code == 0, outcome
    asyncio.run(execute_script(url, outcome.out))
    assert ("first" in asyncio.run(tables(url))) is created


@pytest.mark.parametrize("arguments", NEED_A_DATABASE, ids=" ".join)
def test_reports_an_unreachable_database_in_one_line(arguments: list[str]) -> None:
    outcome = db(UNREACHABLE, *arguments)

    assert outcome.code == 1
    assert "cannot be reached" in one_line(outcome.err)


async def test_reports_an_error_to_an_operator_in_one_line() -> None:
    outcome = await quart(UNREACHABLE, "db", "upgrade")

    assert outcome.code == 1
    assert "cannot be reached" in one_line(outcome.err)


def test_reports_a_missing_database_in_one_line(database_url: URL) -> None:
    outcome = db(database_url.set(database="nonsense"), "upgrade")

    assert outcome.code == 1
    assert 'database "nonsense" does not exist' in one_line(outcome.err)


def test_reports_an_unknown_revision_in_one_line(url: URL) -> None:
    db(url, "upgrade")
    asyncio.run(execute(url, "UPDATE alembic_version SET version_num = 'nonsense'"))

    for arguments in (["upgrade"], ["downgrade"], ["current"], ["check"], ["stamp"]):
        message = one_line(db(url, *arguments).err)
        assert message.startswith("Error: The revision nonsense has no file: if your database has it, restore the file")
        assert "`quart db downgrade`" in message
        assert "`make postgres-stop && rm -r .postgres`" in message
    assert db(url, "stamp", "--purge").code == 0
    assert db(url, "check").code == 0


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["upgrade", "--nonsense"], ["upgrade", "a", "b"], ["migrate", "-m"]], ids=" ".join
)
def test_exits_with_2_after_wrong_usage(arguments: list[str]) -> None:
    assert db(UNREACHABLE, *arguments).code == 2
