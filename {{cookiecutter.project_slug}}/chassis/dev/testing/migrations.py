"""Databases at a revision of your choice, for tests of migrations that change data."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationStep
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, NullPool, Row, text
from sqlalchemy.ext.asyncio import create_async_engine

from chassis.persistence.engine import create_migration_engine
from chassis.persistence.migrations import MIGRATIONS, alembic_config


class MigrationDatabase:
    """A database with statements and revisions in the order in which a test gives them."""

    def __init__(self, url: URL, directory: Path = MIGRATIONS) -> None:
        self.url = url
        self.directory = directory

    async def upgrade(self, revision: str = "head") -> None:
        await self._run(command.upgrade, revision)

    async def downgrade(self, revision: str) -> None:
        await self._run(command.downgrade, revision)

    async def check(self) -> None:
        """Fail if the models differ from the database."""
        await self._run(command.check)

    async def apply(self, revision: str, *, up: bool = True) -> None:
        """Apply or revert one revision of a history with branches, whatever the other branches have."""

        def run(config: AlembicConfig) -> None:
            scripts = ScriptDirectory.from_config(config)
            script = scripts.get_revision(revision)
            make_step = MigrationStep.upgrade_from_script if up else MigrationStep.downgrade_from_script
            steps = [make_step(scripts.revision_map, script)]
            with EnvironmentContext(config, scripts, fn=lambda *_: steps, destination_rev=revision):
                scripts.run_env()

        await self._run(run)

    async def execute(self, statement: str, **parameters: Any) -> None:
        """Execute SQL, in which `:name` is a parameter, and commit."""
        async with create_migration_engine(self.url).begin() as connection:
            await connection.execute(text(statement), parameters)

    async def fetch(self, query: str, **parameters: Any) -> Sequence[Row[Any]]:
        """Return the rows of a query, in which `:name` is a parameter."""
        async with create_migration_engine(self.url).connect() as connection:
            return (await connection.execute(text(query), parameters)).all()

    async def _run(self, run: Callable[..., object], *arguments: str) -> None:
        config = alembic_config(self.directory)

        def run_on(connection: Connection) -> None:
            config.attributes["connection"] = connection
            run(config, *arguments)

        async with create_migration_engine(self.url).connect() as connection:
            await connection.run_sync(run_on)


@asynccontextmanager
async def database_at(revision: str, server: URL, directory: Path = MIGRATIONS) -> AsyncIterator[MigrationDatabase]:
    """Give a new database next to that of the URL, upgraded to a revision; it is dropped afterwards."""
    async with new_database(server) as url:
        database = MigrationDatabase(url, directory)
        await database.upgrade(revision)
        yield database


@asynccontextmanager
async def new_database(server: URL) -> AsyncIterator[URL]:
    """Give an empty database next to that of the URL, and drop it afterwards."""
    name = f"{server.database}_{uuid4().hex[:8]}"
    await _execute(server, f'CREATE DATABASE "{name}"')
    try:
        yield server.set(database=name)
    finally:
        await _execute(server, f'DROP DATABASE "{name}" WITH (FORCE)')


async def _execute(url: URL, statement: str) -> None:
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.execute(text(statement))
