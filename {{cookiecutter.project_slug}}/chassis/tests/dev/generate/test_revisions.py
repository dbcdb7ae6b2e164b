import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import URL

from chassis.dev.generate.changes import Change
from chassis.dev.generate.refusal import GeneratorError
from chassis.dev.generate.revisions import advice, check_not_applied
from chassis.dev.testing.migrations import new_database
from chassis.tests.command_line import UNREACHABLE, execute

VARIABLE = "SQLALCHEMY_DATABASE_URI"
REVISION = 'revision: str = "{}"\ndown_revision: str | tuple[str, ...] | None = {!r}\n'
OLDER, NEWER = (REVISION.format(*names).encode() for names in (("okapi", "before"), ("okapi_size", "okapi")))
REMOVED = [
    Change(Path("migrations/versions/2_okapi_size.py"), NEWER, None),
    Change(Path("migrations/versions/1_okapi.py"), OLDER, None),
]


@pytest.fixture(name="url")
async def _url(database_url: URL) -> AsyncIterator[URL]:
    async with new_database(database_url) as url:
        yield url


def test_refuses_to_remove_a_migration_that_the_database_has(url: URL, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, url.render_as_string(hide_password=False))
    check_not_applied(REMOVED)
    statements = "CREATE TABLE alembic_version (version_num text)", "INSERT INTO alembic_version VALUES ('okapi')"
    asyncio.run(execute(url, *statements))

    with pytest.raises(GeneratorError, match="run `quart db downgrade before` first"):
        check_not_applied(REMOVED)


def test_removes_a_migration_if_the_database_cannot_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, UNREACHABLE.render_as_string(hide_password=False))

    check_not_applied(REMOVED)


def test_says_what_to_do_next() -> None:
    written = [Change(change.path, None, change.before) for change in REMOVED]

    hint, last = advice(REMOVED, has_migration=True)
    assert "restore its file and run quart db downgrade before" in hint
    assert last == "Next: make check"
    assert advice(written, has_migration=True)[0].startswith("Next: make run or make dev")
    assert advice([], has_migration=False)[0].startswith("Next: quart db migrate, make run or")
