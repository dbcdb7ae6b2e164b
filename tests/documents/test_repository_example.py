"""The documented example of the service-repository pattern works in a new project."""

import re
from pathlib import Path

import pytest

from support.applications import add_user_entity, add_users, run_script
from support.postgres import Postgres
from support.service import Commands
from support.template import Generate


@pytest.fixture(name="extended", scope="module")
def _extended(generate: Generate) -> Path:
    project = generate()
    add_users(project)
    return project


@pytest.fixture(name="uri", scope="module")
def _uri(postgres: Postgres) -> str:
    return postgres.create_database()


@pytest.fixture(name="migration", scope="module")
def _migration(extended: Path, commands: Commands, uri: str) -> str:
    """The text of the revision that `quart db migrate` writes, after it has been applied."""
    before = set((extended / "migrations" / "versions").glob("*.py"))
    for command in (("migrate", "-m", "users"), ("upgrade",), ("check",)):
        result = commands.run(extended, "quart", "db", *command, SQLALCHEMY_DATABASE_URI=uri)
        assert result.returncode == 0, result.stderr
    (revision,) = set((extended / "migrations" / "versions").glob("*.py")) - before
    return revision.read_text(encoding="utf-8")


def test_the_migration_creates_only_its_table(migration: str) -> None:
    assert re.findall(r'op\.(?!f\b)(\w+)\(\s*"(\w+)"', migration) == [
        ("create_table", "users"),
        ("drop_table", "users"),
    ]
    assert re.findall(r'sa\.Column\(\s*"(\w+)"', migration) == ["id", "name"]


@pytest.mark.usefixtures("migration")
def test_offers_all_operations_and_returns_models(extended: Path, commands: Commands, uri: str) -> None:
    assert_works(extended, commands, uri, returns="src.infrastructure.models.user")


@pytest.mark.usefixtures("migration")
def test_returns_entities_with_an_entity_class(extended: Path, commands: Commands, uri: str) -> None:
    add_user_entity(extended)

    assert_works(extended, commands, uri, returns="src.domain.user")


def assert_works(project: Path, commands: Commands, uri: str, *, returns: str) -> None:
    result = commands.run(project, *run_script("use_users"), SQLALCHEMY_DATABASE_URI=uri)

    assert (result.returncode, result.stdout.strip()) == (0, returns), result.stderr


def test_keeps_the_layers(extended: Path, commands: Commands) -> None:
    result = commands.run(extended, "lint-imports")

    assert result.returncode == 0, result.stdout
