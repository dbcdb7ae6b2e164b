import asyncio
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import URL

from src.config import ROOT
from src.infrastructure.databases.migrations import MIGRATIONS, alembic_config
from tests.command_line import (
    UNREACHABLE,
    autocommit_engine,
    db,
    execute,
    new_database,
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
BROKEN_REVISION = """
from alembic import op

revision = "broken"
down_revision = {head!r}


def upgrade() -> None:
    op.execute("CREATE TABLE half (id integer)")
    op.execute("SELECT nonsense")


def downgrade() -> None: ...
"""
MODEL = """
from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from src.infrastructure.models.model_extension import ModelExtension


class User(ModelExtension):
    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50), index=True)
    seen_at: Mapped[datetime]
"""


@pytest.fixture(name="url")
async def _url(database_url: URL) -> AsyncIterator[URL]:
    async with new_database(database_url) as url:
        yield url


@pytest.fixture(name="directory")
def _directory(tmp_path: Path) -> str:
    """A copy of the migrations, to write into."""
    return str(shutil.copytree(MIGRATIONS, tmp_path / "migrations"))


@pytest.fixture(name="project")
def _project(tmp_path: Path) -> Path:
    for name in ("src", "migrations"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


@pytest.fixture(name="table_in_use")
async def _table_in_use(url: URL) -> AsyncIterator[None]:
    await execute(url, "CREATE TABLE service_context (id integer)")
    async with autocommit_engine(url).execution_options(isolation_level="READ COMMITTED").begin() as connection:
        await connection.exec_driver_sql("SELECT * FROM service_context")
        yield


async def execute_script(url: URL, script: str) -> None:
    async with autocommit_engine(url).connect() as connection:
        raw = (await connection.get_raw_connection()).driver_connection
        assert raw is not None
        await raw.execute(script)


def one_line(message: str) -> str:
    assert message.endswith("\n")
    assert message.count("\n") == 1
    assert message.startswith("Error: ")
    return message


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


@pytest.mark.parametrize(("arguments", "tables_after"), [(["upgrade"], True), (["downgrade", "head:base"], False)])
def test_sql_is_written_without_a_database(url: URL, arguments: list[str], tables_after: bool) -> None:
    if not tables_after:
        db(url, "upgrade")

    outcome = db(UNREACHABLE, *arguments, "--sql")

    assert outcome.code == 0
    asyncio.run(execute_script(url, outcome.out))
    assert ("service_context" in asyncio.run(tables(url))) is tables_after


def test_a_new_model_gives_a_revision_with_its_table_and_nothing_else(url: URL, project: Path) -> None:
    (project / "src/infrastructure/models/user.py").write_text(MODEL)
    versions = project / "migrations/versions"
    before = set(versions.glob("*.py"))
    db(url, "upgrade")

    outcome = asyncio.run(quart(url, "db", "migrate", "-m", "add users", folder=project))

    assert outcome.code == 0, outcome
    (written,) = set(versions.glob("*.py")) - before
    assert re.findall(r"^    (op\.\w+\(.*?\"\w+\")", written.read_text().replace("\n        ", ""), re.MULTILINE) == [
        'op.create_table("users"',
        'op.create_index(op.f("ix_users_name"',
        'op.drop_index(op.f("ix_users_name"',
        'op.drop_table("users"',
    ]
    assert 'sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False)' in written.read_text()
    for arguments in (["check"], ["format", "--check"]):
        subprocess.run([sys.executable, "-m", "ruff", *arguments, written], cwd=project, check=True)
    assert asyncio.run(quart(url, "db", "upgrade", folder=project)).code == 0
    assert "users" in asyncio.run(tables(url))


def test_without_a_change_no_revision_is_written(url: URL, directory: str) -> None:
    db(url, "upgrade")
    before = list(Path(directory, "versions").iterdir())

    for arguments in (["migrate", "-m", "nothing"], ["revision", "--autogenerate"]):
        outcome = db(url, *arguments, "-d", directory)
        assert (outcome.code, outcome.out) == (0, "No changes in schema detected.\n")

    assert list(Path(directory, "versions").iterdir()) == before


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


def test_knows_the_commands_of_flask_migrate() -> None:
    outcome = db(UNREACHABLE, "--help")

    assert {line.split()[0] for line in outcome.out.partition("Commands:\n")[2].splitlines()} == FLASK_MIGRATE


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["upgrade", "--nonsense"], ["upgrade", "a", "b"], ["migrate", "-m"]], ids=" ".join
)
def test_wrong_usage_is_exit_code_2(arguments: list[str]) -> None:
    assert db(UNREACHABLE, *arguments).code == 2


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


def test_check_names_the_differences_on_stdout(url: URL) -> None:
    db(url, "upgrade")
    asyncio.run(execute(url, "ALTER TABLE service_context DROP message, ADD extra integer"))

    outcome = db(url, "check")

    assert outcome.code == 1
    assert outcome.out.splitlines() == [
        "Detected added column 'service_context.message'",
        "Detected removed column 'service_context.extra'",
    ]
    assert "The models differ from the database" in one_line(outcome.err)


def test_a_database_of_another_history_is_one_line(url: URL) -> None:
    db(url, "upgrade")
    asyncio.run(execute(url, "UPDATE alembic_version SET version_num = 'nonsense'"))

    for arguments in (["upgrade"], ["downgrade"], ["current"], ["check"], ["stamp"]):
        assert one_line(db(url, *arguments).err) == "Error: Can't locate revision identified by 'nonsense'\n"
    assert db(url, "stamp", "--purge").code == 0
    assert db(url, "check").code == 0


def test_an_upgrade_that_fails_leaves_nothing(url: URL, directory: str) -> None:
    Path(directory, "versions", "broken.py").write_text(BROKEN_REVISION.format(head=HEAD))

    outcome = db(url, "upgrade", "-d", directory)

    assert outcome.code == 1
    assert outcome.err.splitlines()[-1] == 'Error: The database refused: column "nonsense" does not exist'
    assert asyncio.run(tables(url)) == set()


def test_two_heads_are_to_be_merged(url: URL, directory: str) -> None:
    for name in ("one", "two"):
        assert db(url, "revision", "-d", directory, "--splice", "--head", HEAD or "", "--rev-id", name).code == 0
    assert "`quart db merge` joins them" in one_line(db(url, "upgrade", "-d", directory).err)

    assert db(url, "merge", "-d", directory, "-m", "joined", "--rev-id", "joined").code == 0

    assert db(url, "heads", "-d", directory).out == "joined (head)\n"
    assert db(url, "upgrade", "-d", directory).code == 0
    assert db(url, "current", "-d", directory).out == "joined (head) (mergepoint)\n"


@pytest.mark.usefixtures("table_in_use")
def test_a_lock_that_somebody_holds_is_not_waited_for_forever(url: URL, directory: str) -> None:
    text = BROKEN_REVISION.format(head=None).replace("SELECT nonsense", "DROP TABLE service_context")
    for path in Path(directory, "versions").glob("*.py"):
        path.unlink()
    Path(directory, "versions", "broken.py").write_text(text)

    outcome = db(url, "upgrade", "-d", directory, "-x", "lock_timeout=100ms")

    assert "Somebody else holds a lock" in outcome.err
    assert outcome.code == 1


def test_init_makes_a_directory_that_works(url: URL, tmp_path: Path) -> None:
    directory = str(tmp_path / "second")

    assert db(url, "init", "-d", directory).code == 0
    assert db(url, "revision", "-d", directory, "-m", "first", "--rev-id", "first").code == 0
    assert db(url, "upgrade", "-d", directory).err == "Running upgrade  -> first, first\n"
    assert "already exists" in one_line(db(url, "init", "-d", directory).err)
    assert "already exists" in one_line(db(url, "init").err)
