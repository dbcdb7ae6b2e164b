from pathlib import Path
from unittest.mock import Mock

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import URL

from chassis.config import ROOT
from chassis.dev.generate import database
from chassis.dev.generate.changes import Change
from chassis.dev.generate.refusal import GeneratorError
from chassis.dev.postgres import PostgresServer
from chassis.dev.postgres_wheel import PostgresError
from chassis.persistence.migrations import alembic_config

NOWHERE = "postgresql://127.0.0.1:1/nowhere"


def remove_newest_migration() -> tuple[list[Change], str]:
    """Return the change, and the revision below."""
    scripts = ScriptDirectory.from_config(alembic_config())
    newest = scripts.get_revision("head")
    change = Change(Path(newest.path).relative_to(ROOT), b"", None)
    return [change], str(newest.down_revision or "base")


def test_removes_no_migration_that_the_database_has(monkeypatch: pytest.MonkeyPatch, database_url: URL) -> None:
    changes, below = remove_newest_migration()
    monkeypatch.setattr(database, "configured_uri", lambda: database_url.render_as_string(hide_password=False))

    with pytest.raises(GeneratorError, match=f"`quart db downgrade {below}` first, or add --force"):
        database.check_not_applied(ROOT, changes)
    database.check_not_applied(ROOT, [])


@pytest.mark.parametrize("uri", [None, NOWHERE])
def test_removes_a_migration_without_a_database_that_answers(
    monkeypatch: pytest.MonkeyPatch, uri: str | None, tmp_path: Path
) -> None:
    changes, _ = remove_newest_migration()
    monkeypatch.setattr(database, "PostgresServer", lambda _directory: PostgresServer(tmp_path))  # without data
    monkeypatch.setattr(database, "configured_uri", lambda: uri)

    database.check_not_applied(ROOT, changes)


@pytest.mark.parametrize("uri", [None, NOWHERE, "mysql://nowhere"])
def test_without_the_wheel_and_a_server_it_advises_to_write_no_migration(
    monkeypatch: pytest.MonkeyPatch, uri: str | None
) -> None:
    monkeypatch.setattr(database, "temporary_server", Mock(side_effect=PostgresError("The wheel is missing.")))
    monkeypatch.setattr(database, "configured_uri", lambda: uri)

    with pytest.raises(GeneratorError, match=r"or add --no-migration\.$"), database.empty_database():
        pass
