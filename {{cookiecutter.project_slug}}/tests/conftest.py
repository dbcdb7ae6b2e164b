"""A real PostgreSQL with the schema of the migrations, the application on it, and a client; clean for each test."""

import statistics
import time
from collections.abc import AsyncIterator, Iterator

import pytest
from alembic import command
from quart.typing import TestClientProtocol as Client
from sqlalchemy import URL, Connection

from src.config import Config
from src.create_app import Service, create_app
from src.domain.service_context import ServiceContext
from src.infrastructure.databases.database import Database
from src.infrastructure.databases.migrations import alembic_config
from src.infrastructure.models.model_extension import ModelExtension
from src.services import service_context_service
from tests.database import PATIENT, chosen_kind, provided

_milliseconds: list[float] = []


def pytest_report_header() -> str:
    return f"database: {chosen_kind()}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _milliseconds:
        median = statistics.median(_milliseconds)
        terminalreporter.write_line(f"clean database: {len(_milliseconds)} times, median {median:.1f} ms")


@pytest.fixture(scope="session", name="empty_database_url")
def _empty_database_url(worker_id: str) -> Iterator[URL]:
    with provided(chosen_kind(), worker_id) as url:
        yield url


@pytest.fixture(scope="session", name="migrated_database")
async def _migrated_database(empty_database_url: URL) -> AsyncIterator[Database]:
    def upgrade(connection: Connection) -> None:
        configuration = alembic_config()
        configuration.attributes["connection"] = connection
        command.upgrade(configuration, "head")

    database = Database(empty_database_url, PATIENT)
    async with database.engine.connect() as connection:
        await connection.execution_options(isolation_level="READ COMMITTED")
        await connection.run_sync(upgrade)
        await connection.commit()
    yield database
    await database.close()


@pytest.fixture(scope="session", name="database_url")
def _database_url(migrated_database: Database) -> URL:
    return migrated_database.engine.url


@pytest.fixture(scope="session", name="config")
def _config(database_url: URL) -> Config:
    patience = {"DATABASE_CONNECT_TIMEOUT": PATIENT.connect_timeout, "DATABASE_POOL_TIMEOUT": PATIENT.pool_timeout}
    settings = {"APP_ENV": "testing", "SQLALCHEMY_DATABASE_URI": database_url, "SERVICE_PREFIX": ""}
    return Config.load(_env_file=None, **settings, **patience)


@pytest.fixture(name="database")
async def _database(migrated_database: Database) -> Database:
    started = time.perf_counter()
    async with migrated_database.engine.connect() as connection:
        for table in reversed(ModelExtension.metadata.sorted_tables):
            await connection.execute(table.delete())
    _milliseconds.append((time.perf_counter() - started) * 1000)
    return migrated_database


@pytest.fixture(scope="session", name="running_app")
async def _running_app(config: Config, migrated_database: Database) -> AsyncIterator[Service]:
    app = create_app(config)
    app.container.database.override(migrated_database)
    app.config["PROPAGATE_EXCEPTIONS"] = False  # an unexpected error is answered as in production
    async with app.test_app():
        yield app


@pytest.fixture(name="app")
async def _app(running_app: Service, database: Database, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Service]:
    """The application on a clean database. A test may override providers of its container and make other apps."""
    monkeypatch.setattr(service_context_service, "PATIENCE", PATIENT.connect_timeout)
    state = running_app.container.maintenance_state()
    await state.change(ServiceContext(version=state.context.version))  # what the watcher is just reading is too old
    await state.confirm(ServiceContext(), changes=state.changes)  # the row is gone, too
    yield running_app
    running_app.container.wire(packages=["src.api"])  # the last one that was wired wins


@pytest.fixture(name="client")
def _client(app: Service) -> Client:
    return app.test_client()
