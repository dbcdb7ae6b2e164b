"""The bodies of the fixtures in `tests/conftest.py`: a migrated PostgreSQL and an application on it."""

import os
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from unittest.mock import patch

import pytest
from alembic import command
from sqlalchemy import Connection, text

from chassis.app import ChassisApp
from chassis.dev.testing.databases import PATIENT, choose_kind, provide_database
from chassis.maintenance import service
from chassis.maintenance.service_context import ServiceContext
from chassis.persistence import readiness
from chassis.persistence.database import Database
from chassis.persistence.migrations import alembic_config
from chassis.persistence.model import ModelExtension

_RESTART_IDENTITIES = text(
    "SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, start_value, false)"
    " FROM pg_sequences WHERE last_value IS NOT NULL"
)


class DatabaseReport:
    """Names the kind of database in the header of a test run, and the time to clean it in the summary."""

    milliseconds: list[float] = []  # noqa: RUF012 - shared by all tests of a process

    @classmethod
    def register(cls, config: pytest.Config) -> None:
        if not config.pluginmanager.has_plugin(cls.__name__):
            config.pluginmanager.register(cls(), cls.__name__)

    def pytest_report_header(self) -> str:
        return f"database: {choose_kind()}"

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.milliseconds:
            median = statistics.median(self.milliseconds)
            terminalreporter.write_line(f"clean database: {len(self.milliseconds)} times, median {median:.1f} ms")


@asynccontextmanager
async def migrated_database() -> AsyncIterator[Database]:
    """Give a database with the schema of the migrations; each worker of `pytest -n` gets its own."""

    def upgrade(connection: Connection) -> None:
        configuration = alembic_config()
        configuration.attributes["connection"] = connection
        command.upgrade(configuration, "head")

    with provide_database(choose_kind(), os.environ.get("PYTEST_XDIST_WORKER", "master")) as url:
        database = Database(url, PATIENT)
        async with database.engine.connect() as connection:
            await connection.execution_options(isolation_level="READ COMMITTED")
            await connection.run_sync(upgrade)
            await connection.commit()
        yield database
        await database.close()


async def empty_tables(database: Database) -> None:
    """Delete the rows of all tables that have a model, except those that autogenerate ignores: they may be views.

    Identities start again, so that a test that is repeated sends the same ids.
    """
    started = time.perf_counter()
    async with database.engine.connect() as connection:
        for table in reversed(ModelExtension.metadata.sorted_tables):
            if table.info.get("autogenerate", True):
                await connection.execute(table.delete())
        if connection.dialect.name == "postgresql":
            await connection.execute(_RESTART_IDENTITIES)
    DatabaseReport.milliseconds.append((time.perf_counter() - started) * 1000)


def testing_settings(database: Database) -> dict[str, Any]:
    """Return arguments for `Config.load`: this database, patience with a busy machine, and nothing from `.env`."""
    return {
        "_env_file": None,
        "APP_ENV": "testing",
        "SQLALCHEMY_DATABASE_URI": database.engine.url,
        "SERVICE_PREFIX": "",
        "DATABASE_CONNECT_TIMEOUT": PATIENT.connect_timeout,
        "DATABASE_POOL_TIMEOUT": PATIENT.pool_timeout,
    }


@asynccontextmanager
async def serving(app: ChassisApp, database: Database) -> AsyncIterator[None]:
    """Run the lifespan of the application, on this database; unexpected errors are answered as in production."""
    app.container.database.override(database)
    app.container.probe_database.override(database)
    app.config["PROPAGATE_EXCEPTIONS"] = False
    async with app.test_app():
        yield


@asynccontextmanager
async def fresh_state(app: ChassisApp) -> AsyncIterator[None]:
    """Forget the maintenance window of an earlier test; at the end, inject again, for the test may have made an app."""
    state = app.container.maintenance_state()
    await state.apply_change(ServiceContext(version=state.context.version))  # discards a read in progress
    await state.apply_read(ServiceContext(), changes=state.changes)
    patience = PATIENT.connect_timeout
    with patch.object(service, "READ_PATIENCE", patience), patch.object(readiness, "PATIENCE", patience):
        yield
    app.wire()
