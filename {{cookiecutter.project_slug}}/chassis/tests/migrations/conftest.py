import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import URL

from chassis.persistence.migrations import MIGRATIONS
from chassis.tests.command_line import (
    new_database,
)


@pytest.fixture(name="url")
async def _url(database_url: URL) -> AsyncIterator[URL]:
    async with new_database(database_url) as url:
        yield url


@pytest.fixture(name="directory")
def _directory(tmp_path: Path) -> str:
    """A copy of the migrations, to write into."""
    return str(shutil.copytree(MIGRATIONS, tmp_path / "migrations", ignore=shutil.ignore_patterns("__pycache__")))
