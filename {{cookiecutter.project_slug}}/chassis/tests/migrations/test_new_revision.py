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
from chassis.tests.command_line import db, execute, one_line, quart, tables

MODEL = """
from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from chassis.persistence.model import ModelExtension


class Okapi(ModelExtension):
    __tablename__ = "okapis"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50), index=True)
    seen_at: Mapped[datetime]
"""
MESSAGES = [
    r"move C:\users to \N{HOME}",
    'call it "user"',
    '"quoted" from the beginning to the "end"',
    'three """ quotes',
    "ends with a backslash \\",
    "two lines\n    of text",
    "${message} <%! a template %> ## {braces} %s",
    "größe \N{EN DASH} ∞ 漢字 👍",
    "a tab\t, a bell \x07, an odd space \u00a0 and a right-to-left mark \u202e",
    f"a long message {'x' * 200}",
    "!?",
]


@pytest.fixture(name="project")
def _project(tmp_path: Path) -> Path:
    for name in ("src", "chassis", "migrations"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def run_ruff(folder: Path, *paths: Path) -> None:
    for arguments in (["check"], ["format", "--check"]):
        subprocess.run([sys.executable, "-m", "ruff", *arguments, *paths], cwd=folder, check=True)


def test_writes_a_revision_with_the_table_of_a_new_model_and_nothing_else(url: URL, project: Path) -> None:
    (project / "src/infrastructure/models/okapi.py").write_text(MODEL)
    versions = project / "migrations/versions"
    before = set(versions.glob("*.py"))
    db(url, "upgrade")

    outcome = asyncio.run(quart(url, "db", "migrate", "-m", "add okapis", folder=project))

    assert outcome.code == 0, outcome
    (written,) = set(versions.glob("*.py")) - before
    assert re.findall(r"^    (op\.\w+\(.*?\"\w+\")", written.read_text().replace("\n        ", ""), re.MULTILINE) == [
        'op.create_table("okapis"',
        'op.create_index(op.f("ix_okapis_name"',
        'op.drop_index(op.f("ix_okapis_name"',
        'op.drop_table("okapis"',
    ]
    assert 'sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False)' in written.read_text()
    run_ruff(project, written)
    assert asyncio.run(quart(url, "db", "upgrade", folder=project)).code == 0
    assert "okapis" in asyncio.run(tables(url))


@pytest.mark.parametrize("packages", [True, False])
def test_finds_models_in_folders_at_any_depth(url: URL, project: Path, packages: bool) -> None:
    folder = project / "src/infrastructure/models/accounts/internal"
    folder.mkdir(parents=True)
    (folder / "okapi.py").write_text(MODEL)
    if packages:
        (folder / "__init__.py").touch()
        (folder.parent / "__init__.py").touch()
    db(url, "upgrade")

    outcome = asyncio.run(quart(url, "db", "check", folder=project))

    assert "Detected added table 'okapis'\n" in outcome.out


def test_writes_no_revision_without_a_change(url: URL, directory: str) -> None:
    db(url, "upgrade")
    before = list(Path(directory, "versions").glob("*.py"))

    for arguments in (["migrate", "-m", "nothing"], ["revision", "--autogenerate"]):
        outcome = db(url, *arguments, "-d", directory)
        assert (outcome.code, outcome.out) == (0, "No changes in schema detected.\n")

    assert list(Path(directory, "versions").glob("*.py")) == before


def test_check_prints_the_differences_on_stdout(url: URL) -> None:
    db(url, "upgrade")
    asyncio.run(execute(url, "ALTER TABLE service_context DROP message, ADD extra integer"))

    outcome = db(url, "check")

    assert outcome.code == 1
    assert outcome.out.splitlines() == [
        "Detected added column 'service_context.message'",
        "Detected removed column 'service_context.extra'",
    ]
    assert "The models differ from the database" in one_line(outcome.err)


def test_accepts_any_message(url: URL, project: Path) -> None:
    directory = project / "migrations"
    for number, message in enumerate(MESSAGES):
        outcome = db(url, "revision", "-d", str(directory), "-m", message, "--rev-id", f"message_{number}")
        assert outcome.code == 0, outcome

    scripts = ScriptDirectory.from_config(alembic_config(directory))
    revisions = [scripts.get_revision(f"message_{number}") for number in range(len(MESSAGES))]
    assert [revision.doc.split() for revision in revisions] == [message.split() for message in MESSAGES]
    files = [Path(revision.path) for revision in revisions]
    assert [file.name for file in files if re.search(r"[^\w.]", file.name)] == []
    run_ruff(project, *files)
    assert db(url, "history", "-d", str(directory)).code == 0


def test_requires_a_merge_of_two_heads(url: URL, directory: str, head: str) -> None:
    for name in ("one", "two"):
        assert db(url, "revision", "-d", directory, "--splice", "--head", head, "--rev-id", name).code == 0
    assert "`quart db merge` joins them" in one_line(db(url, "upgrade", "-d", directory).err)

    assert db(url, "merge", "-d", directory, "-m", "joined", "--rev-id", "joined").code == 0

    assert db(url, "heads", "-d", directory).out == "joined (head)\n"
    assert db(url, "upgrade", "-d", directory).code == 0
    assert db(url, "current", "-d", directory).out == "joined (head) (mergepoint)\n"


def test_asks_for_the_revision_if_a_merge_is_to_be_reverted(url: URL, diamond: Path) -> None:
    db(url, "upgrade", "-d", str(diamond))

    assert "give the revision that you mean" in one_line(db(url, "downgrade", "-d", str(diamond)).err)
    assert db(url, "downgrade", "first", "-d", str(diamond)).code == 0
    assert asyncio.run(tables(url)) == {"alembic_version", "first"}


def test_init_creates_a_directory_that_works(url: URL, tmp_path: Path) -> None:
    directory = str(tmp_path / "second")

    assert db(url, "init", "-d", directory).code == 0
    assert db(url, "revision", "-d", directory, "-m", "first", "--rev-id", "first").code == 0
    assert db(url, "upgrade", "-d", directory).err == "Running upgrade  -> first, first\n"
    assert "already exists" in one_line(db(url, "init", "-d", directory).err)
    assert "already exists" in one_line(db(url, "init").err)
