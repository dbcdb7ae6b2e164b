from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import event, text

from chassis.dev.testing.fake_repository import FakeRepository
from chassis.domain.ports import RepositoryPort
from chassis.persistence.database import Database
from chassis.tests.persistence.books import DEFAULTS, Book, BookRepository
from chassis.tests.persistence.samples import PetRepository, Sample, UserRepository


@pytest.fixture(name="sample_tables", scope="session")
async def _sample_tables(migrated_database: Database) -> AsyncIterator[None]:
    async with migrated_database.engine.connect() as connection:
        await connection.run_sync(Sample.metadata.create_all)
    yield
    async with migrated_database.engine.connect() as connection:
        await connection.run_sync(Sample.metadata.drop_all)


@pytest.fixture(name="users")
async def _users(database: Database, sample_tables: None) -> UserRepository:
    async with database.engine.connect() as connection:
        for table in reversed(Sample.metadata.sorted_tables):
            await connection.execute(table.delete())
    return UserRepository(database)


@pytest.fixture(name="pets")
def _pets(database: Database, users: UserRepository) -> PetRepository:
    return PetRepository(database)


@pytest.fixture(name="statements")
async def _statements(database: Database) -> AsyncIterator[list[str]]:
    """Record the first word of each statement: SQLAlchemy's event shows most, asyncpg's log BEGIN and COMMIT."""
    await database.close()  # connections that are open have no logger
    engine, statements = database.engine.sync_engine, list[str]()

    def log_transactions(connection: Any, _record: object) -> None:  # noqa: ANN401
        connection.driver_connection.add_query_logger(lambda record: statements.append(_first_word(record.query)))

    def log_statements(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        statements.append(_first_word(statement))

    event.listen(engine, "connect", log_transactions)
    event.listen(engine, "before_cursor_execute", log_statements)
    async with database.session() as session:
        await session.execute(text("SELECT 1"))
    statements.clear()
    yield statements
    event.remove(engine, "connect", log_transactions)
    event.remove(engine, "before_cursor_execute", log_statements)


def _first_word(statement: str) -> str:
    return statement.split()[0].strip("(;")


@pytest.fixture(name="stored_books")
def _stored_books(database: Database, users: UserRepository) -> BookRepository:
    return BookRepository(database)


@pytest.fixture(name="books", params=["PostgreSQL", "memory"])
def _books(request: pytest.FixtureRequest) -> RepositoryPort[Book]:
    """The same repository twice: what a service can rely on in a test is what it gets from the database."""
    if request.param == "memory":
        return FakeRepository(Book, **DEFAULTS)
    repository: BookRepository = request.getfixturevalue("stored_books")
    return repository
