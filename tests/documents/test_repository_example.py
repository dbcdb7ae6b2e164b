"""The service-repository pattern, typed as it is documented into a new project."""

import re
from pathlib import Path

import pytest

from support.applications import add_user_entity, add_users, run_script
from support.postgres import Postgres
from support.service import Commands
from support.template import Generate


@pytest.fixture(name="typed", scope="module")
def _typed(generate: Generate) -> Path:
    project = generate()
    add_users(project)
    return project


@pytest.fixture(name="uri", scope="module")
def _uri(postgres: Postgres) -> str:
    return postgres.create_database()


@pytest.fixture(name="migration", scope="module")
def _migration(typed: Path, commands: Commands, uri: str) -> str:
    """The revision that `quart db migrate` writes, applied."""
    before = set((typed / "migrations" / "versions").glob("*.py"))
    for command in (("migrate", "-m", "users"), ("upgrade",), ("check",)):
        result = commands.run(typed, "quart", "db", *command, SQLALCHEMY_DATABASE_URI=uri)
        assert result.returncode == 0, result.stderr
    (revision,) = set((typed / "migrations" / "versions").glob("*.py")) - before
    return revision.read_text(encoding="utf-8")


def test_its_migration_writes_its_table_and_nothing_else(migration: str) -> None:
    assert re.findall(r'op\.(?!f\b)(\w+)\(\s*"(\w+)"', migration) == [
        ("create_table", "users"),
        ("drop_table", "users"),
    ]
    assert re.findall(r'sa\.Column\(\s*"(\w+)"', migration) == ["id", "name"]


@pytest.mark.usefixtures("migration")
def test_it_offers_all_operations_and_returns_models(typed: Path, commands: Commands, uri: str) -> None:
    assert_used(typed, commands, uri, returns="src.infrastructure.models.user")


@pytest.mark.usefixtures("migration")
def test_with_an_entity_class_it_returns_entities(typed: Path, commands: Commands, uri: str) -> None:
    add_user_entity(typed)

    assert_used(typed, commands, uri, returns="src.domain.user")


def assert_used(project: Path, commands: Commands, uri: str, *, returns: str) -> None:
    result = commands.run(project, *run_script("use_users"), SQLALCHEMY_DATABASE_URI=uri)

    assert (result.returncode, result.stdout.strip()) == (0, returns), result.stderr


def test_the_example_keeps_the_layers(typed: Path, commands: Commands) -> None:
    result = commands.run(typed, "lint-imports")

    assert result.returncode == 0, result.stdout
