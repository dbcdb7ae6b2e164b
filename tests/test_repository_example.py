"""The service-repository pattern, typed as it is documented into a new project."""

import re
from pathlib import Path

import pytest
from conftest import Generate
from service import Commands, Postgres

pytest_plugins = ["service"]

IMPORTS_OF_MODEL = "from sqlalchemy import Column, Integer, String\n\n"
MODEL = """\
from src.infrastructure.models.model_extension import ModelExtension

class User(ModelExtension):
    __tablename__ = "users"
    id = Column(Integer, primary_key=True)
    name = Column(String(50), nullable=False)

    def __repr__(self):
        return self.repr(id=self.id, name=self.name)
"""

IMPORTS_OF_REPOSITORY = "from src.infrastructure.models.user import User\n"
REPOSITORY = """\
from src.infrastructure.repositories import Repository

class UserRepository(Repository):
    base_class = User
    DEFAULT_NOT_FOUND_MESSAGE = "User was not found"

    def _apply_query_params(self, query, query_params):
        name = self.get_query_param("name", query_params)
        if name:
            query = query.filter_by(name=name)
        return query
"""

SERVICE = """\
from src.services.repository_service import RepositoryService

class UserService(RepositoryService):
    pass
"""

ENTITY = """\
from dataclasses import dataclass


@dataclass(kw_only=True)
class User:
    id: int
    name: str
"""

# Uses all operations of both, on the database of the application; what fails here is an assertion.
USE = """\
import asyncio
import sys

from src.app import app
from src.domain.exceptions import NotFoundError
from src.infrastructure.models.user import User as Model
from src.infrastructure.repositories.user_repository import UserRepository
from src.services.user_service import UserService

ENTITY = UserRepository.entity_class or Model


async def not_found(call):
    try:
        await call
    except NotFoundError as error:
        assert error.message == "User was not found"
    else:
        raise AssertionError("it was found")


async def use(users):
    await users.delete_all()
    ann = await users.create({"name": "ann"})
    bob = await users.create({"name": "bob"})
    assert type(ann) is type(bob) is ENTITY
    assert (ann.name, bob.name, bob.id - ann.id) == ("ann", "bob", 1)
    assert repr(ann).endswith(f"User(id={ann.id}, name='ann')>"[: None if ENTITY is Model else -1])

    assert (await users.get(ann.id)).name == "ann"
    assert (await users.find({"name": "bob"})).id == bob.id
    assert await users.exists({"name": "bob"}) and not await users.exists({"name": "eve"})
    assert (await users.count(), await users.count({"name": "ann"})) == (2, 1)

    page = await users.get_all({"page": 2, "per_page": 1})
    assert ([user.name for user in page.items], page.total) == (["bob"], 2)
    everybody = await users.get_all({"itemized": True})
    assert [user.name for user in everybody.items] == ["ann", "bob"]
    assert [user.name for user in (await users.get_all({"name": "ann"})).items] == ["ann"]

    assert (await users.update(bob.id, {"name": "rob"})).name == "rob"
    await users.delete(ann.id)
    await not_found(users.get(ann.id))
    await not_found(users.find({"name": "ann"}))
    await not_found(users.update(ann.id, {"name": "eve"}))
    await not_found(users.delete(ann.id))
    assert await users.delete_all({"name": "eve"}) == 0
    assert await users.delete_all({"name": "rob"}) == 1
    assert await users.count() == 0


async def fail_in_a_transaction(users):
    try:
        async with users.transaction():
            await users.create({"name": "ann"})
            assert await users.count() == 1
            raise LookupError
    except LookupError:
        assert await users.count() == 0


async def main():
    database = app.container.database()
    user_repository = UserRepository(database)
    for users in user_repository, UserService(user_repository):
        await use(users)
        await fail_in_a_transaction(users)
    await database.close()
    print(ENTITY.__module__)


asyncio.run(main())
"""


def write(project: Path, module: str, text: str) -> None:
    (project / "src" / module).write_text(text, encoding="utf-8")


@pytest.fixture(name="typed", scope="module")
def _typed(generate: Generate) -> Path:
    project = generate()
    write(project, "infrastructure/models/user.py", IMPORTS_OF_MODEL + MODEL)
    write(
        project,
        "infrastructure/repositories/user_repository.py",
        IMPORTS_OF_REPOSITORY + REPOSITORY,
    )
    write(project, "services/user_service.py", SERVICE)
    return project


@pytest.fixture(name="uri", scope="module")
def _uri(postgres: Postgres) -> str:
    return postgres.create()


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
    write(typed, "domain/user.py", ENTITY)
    imports = f"import src.domain.user\n{IMPORTS_OF_REPOSITORY}"
    entity = "    base_class = User\n    entity_class = src.domain.user.User\n"
    repository = REPOSITORY.replace("    base_class = User\n", entity)
    write(typed, "infrastructure/repositories/user_repository.py", imports + repository)

    assert_used(typed, commands, uri, returns="src.domain.user")


def assert_used(project: Path, commands: Commands, uri: str, *, returns: str) -> None:
    result = commands.run(project, "python", "-c", USE, SQLALCHEMY_DATABASE_URI=uri)

    assert (result.returncode, result.stdout.strip()) == (0, returns), result.stderr


def test_the_example_keeps_the_layers(typed: Path, commands: Commands) -> None:
    result = commands.run(typed, "lint-imports")

    assert result.returncode == 0, result.stdout
