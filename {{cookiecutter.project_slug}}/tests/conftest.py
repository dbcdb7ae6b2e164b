"""A real PostgreSQL with the schema of the migrations, the application on it, and a client; clean for each test."""

from collections.abc import AsyncIterator

import pytest
from quart.typing import TestClientProtocol as Client

from chassis.dev.testing.fixtures import (
    DatabaseReport,
    empty_tables,
    fresh_state,
    migrated_database,
    serving,
    testing_settings,
)
from chassis.persistence.database import Database
from src.config import Config
from src.create_app import App, create_app


def pytest_configure(config: pytest.Config) -> None:
    DatabaseReport.register(config)


@pytest.fixture(scope="session", name="migrated_database")
async def _migrated_database() -> AsyncIterator[Database]:
    async with migrated_database() as database:
        yield database


@pytest.fixture(name="database")
async def _database(migrated_database: Database) -> Database:
    await empty_tables(migrated_database)
    return migrated_database


@pytest.fixture(scope="session", name="config")
def _config(migrated_database: Database) -> Config:
    return Config.load(**testing_settings(migrated_database))


@pytest.fixture(scope="session", name="running_app")
async def _running_app(config: Config, migrated_database: Database) -> AsyncIterator[App]:
    app = create_app(config)
    async with serving(app, migrated_database):
        yield app


@pytest.fixture(name="app")
async def _app(running_app: App, database: Database) -> AsyncIterator[App]:
    """The application on a clean database; a test may override providers of its container."""
    async with fresh_state(running_app):
        yield running_app


@pytest.fixture(name="client")
def _client(app: App) -> Client:
    return app.test_client()
