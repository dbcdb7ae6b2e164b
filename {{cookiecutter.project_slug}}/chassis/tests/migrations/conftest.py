import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import URL

from chassis.dev.testing.migrations import new_database
from chassis.persistence.migrations import MIGRATIONS, alembic_config
from chassis.tests.migrations.histories import write_history


@pytest.fixture(name="url")
async def _url(database_url: URL) -> AsyncIterator[URL]:
    """The URL of an empty database."""
    async with new_database(database_url) as url:
        yield url


@pytest.fixture(name="head")
def _head() -> str:
    """The newest revision of the project."""
    (head,) = ScriptDirectory.from_config(alembic_config()).get_heads()
    return head


@pytest.fixture(name="directory")
def _directory(tmp_path: Path) -> str:
    """A copy of the migrations, to write into."""
    return str(shutil.copytree(MIGRATIONS, tmp_path / "migrations", ignore=shutil.ignore_patterns("__pycache__")))


@pytest.fixture(name="line")
def _line(tmp_path: Path) -> Path:
    """Migrations whose two revisions form a line, whatever history the project has."""
    return write_history(tmp_path / "line", {"first": (), "second": ("first",)})


@pytest.fixture(name="diamond")
def _diamond(tmp_path: Path) -> Path:
    """Migrations with two branches, one of which has two revisions, and a revision that merges them."""
    branches = {"one": ("first",), "two": ("first",), "three": ("two",)}
    return write_history(tmp_path / "diamond", {"first": (), **branches, "merged": ("one", "three")})
