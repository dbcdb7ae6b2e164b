import asyncio
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import URL

from chassis.config import ROOT
from chassis.persistence.migrations import alembic_config
from chassis.tests.command_line import (
    db,
    execute,
    one_line,
    quart,
    tables,
)

HEAD = ScriptDirectory.from_config(alembic_config()).get_current_head()
MODEL = """
from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from chassis.persistence.model import ModelExtension


class User(ModelExtension):
    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50), index=True)
    seen_at: Mapped[datetime]
"""


@pytest.fixture(name="project")
def _project(tmp_path: Path) -> Path:
    for name in ("src", "chassis", "migrations"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


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
    before = list(Path(directory, "versions").glob("*.py"))

    for arguments in (["migrate", "-m", "nothing"], ["revision", "--autogenerate"]):
        outcome = db(url, *arguments, "-d", directory)
        assert (outcome.code, outcome.out) == (0, "No changes in schema detected.\n")

    assert list(Path(directory, "versions").glob("*.py")) == before


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


def test_two_heads_are_to_be_merged(url: URL, directory: str) -> None:
    for name in ("one", "two"):
        assert db(url, "revision", "-d", directory, "--splice", "--head", HEAD or "", "--rev-id", name).code == 0
    assert "`quart db merge` joins them" in one_line(db(url, "upgrade", "-d", directory).err)

    assert db(url, "merge", "-d", directory, "-m", "joined", "--rev-id", "joined").code == 0

    assert db(url, "heads", "-d", directory).out == "joined (head)\n"
    assert db(url, "upgrade", "-d", directory).code == 0
    assert db(url, "current", "-d", directory).out == "joined (head) (mergepoint)\n"


def test_init_makes_a_directory_that_works(url: URL, tmp_path: Path) -> None:
    directory = str(tmp_path / "second")

    assert db(url, "init", "-d", directory).code == 0
    assert db(url, "revision", "-d", directory, "-m", "first", "--rev-id", "first").code == 0
    assert db(url, "upgrade", "-d", directory).err == "Running upgrade  -> first, first\n"
    assert "already exists" in one_line(db(url, "init", "-d", directory).err)
    assert "already exists" in one_line(db(url, "init").err)
