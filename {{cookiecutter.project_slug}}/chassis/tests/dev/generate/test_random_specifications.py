"""Made-up entities pass the checks of a project, and leave nothing when they are removed.

FUZZ_EXAMPLES sets their number, at most 200 (`make fuzz`). Only then the tests of all of them are run, and generated
requests are sent to their routes.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import URL

from chassis.config import ROOT
from chassis.dev.generate.staging import StagedProject
from chassis.dev.testing.migrations import new_database
from chassis.tests.command_line import execute
from chassis.tests.dev.generate.specifications import make_up

EXAMPLES = os.environ.get("FUZZ_EXAMPLES")
BATCH = 20
MOST = 200
TESTED = BATCH if EXAMPLES else 3  # whose tests are run
BATCHES = range(max(1, min(int(EXAMPLES or BATCH), MOST) // BATCH))


@pytest.fixture(name="url")
async def _url(database_url: URL) -> AsyncIterator[URL]:
    """The URL of an empty database, whose name says that it is for tests."""
    async with new_database(database_url) as url:
        yield url
        await execute(database_url, f'DROP DATABASE IF EXISTS "{database_for_tests(url).database}" WITH (FORCE)')


def database_for_tests(url: URL) -> URL:
    return url.set(database=f"{url.database}_test")


def run(folder: Path, *command: str, **variables: str) -> None:
    """Run a Python program in the project, which has to succeed."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "TEST_"))}
    result = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        env={**environment, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("batch", BATCHES)
async def test_made_up_entities_pass_all_checks_and_can_be_removed(database_url: URL, url: URL, batch: int) -> None:
    steps: list[dict[str, object]] = []
    for number in range(batch * BATCH, (batch + 1) * BATCH):
        steps.append(make_up(number, [str(step["name"]) for step in steps]))
    await execute(database_url, f'CREATE DATABASE "{database_for_tests(url).database}"')

    with StagedProject.create(ROOT) as project:
        project.run(steps, url.render_as_string(hide_password=False))
        check(project.folder, database_for_tests(url), [str(step["name"]) for step in steps])
        project.run([{"step": "remove_entity", "name": step["name"]} for step in reversed(steps)], None)

        assert [change.diff() for change in project.changes()] == []


def check(folder: Path, url: URL, names: list[str]) -> None:
    if (ROOT / ".mypy_cache").exists():
        shutil.copytree(ROOT / ".mypy_cache", folder / ".mypy_cache", dirs_exist_ok=True)
    tests = [f"tests/api/test_{name}.py" for name in names[:TESTED]]
    fuzz = ["chassis/tests/test_fuzz.py"] if EXAMPLES else []
    run(folder, "ruff", "format", "--check", ".")
    run(folder, "ruff", "check", ".")
    run(folder, "mypy", "src", "tests")
    run(folder, "importlinter.cli", "lint-imports")
    database = url.render_as_string(hide_password=False)
    for path in (tests, fuzz):
        if path:
            run(folder, "pytest", "-q", "-p", "no:cacheprovider", *path, TEST_DATABASE_URL=database, FUZZ_EXAMPLES="3")
