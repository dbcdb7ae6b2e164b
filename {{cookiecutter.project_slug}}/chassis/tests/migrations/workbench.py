"""Alembic's commands in this process, on the models of a test instead of those of the service."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from sqlalchemy import URL, Connection, MetaData, text
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.persistence.engine import create_migration_engine
from chassis.persistence.migrations import alembic_config, create_migrations

ENV = """
from alembic import context
from sqlalchemy import URL

from chassis.persistence.alembic_env import run_migrations

run_migrations(context.config.attributes["metadata"], lambda: URL.create("postgresql+asyncpg"))
"""
LEFTOVERS = text(r"""
    WITH schemas AS (SELECT oid, nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema)')
    SELECT relname FROM pg_class WHERE relnamespace IN (SELECT oid FROM schemas) AND relname !~ '^alembic_version'
    UNION SELECT typname FROM pg_type WHERE typnamespace IN (SELECT oid FROM schemas) AND typtype IN ('e', 'd')
    UNION SELECT extname FROM pg_extension WHERE extname != 'plpgsql'
    UNION SELECT nspname FROM schemas WHERE nspname != 'public'
""")


class Workbench:
    """Keeps the revisions of some models in a directory, and applies them on one connection."""

    def __init__(self, connection: AsyncConnection, directory: Path, metadata: MetaData) -> None:
        create_migrations(directory)
        (directory / "env.py").write_text(ENV)
        self.connection = connection
        self.directory = directory
        self.metadata = metadata

    async def reset(self, metadata: MetaData) -> None:
        """Begin again with other models and an empty database."""
        for revision in self.revisions():
            revision.unlink()
        self.metadata = metadata
        schemas = "SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema)'"
        for (schema,) in await self.fetch(schemas):
            await self.execute(f'DROP SCHEMA "{schema}" CASCADE')
        await self.execute("CREATE SCHEMA public")

    async def migrate(self, message: str = "models", *, hooks: bool = False) -> str:
        """Write a revision with all differences, and return its text; `hooks` format it, which takes time."""
        before = set(self.revisions())
        await self._run(command.revision, message=message, autogenerate=True, hooks=hooks)
        (written,) = set(self.revisions()) - before
        return written.read_text()

    async def upgrade(self, revision: str = "head") -> None:
        await self._run(command.upgrade, revision)

    async def downgrade(self, revision: str = "base") -> None:
        await self._run(command.downgrade, revision)

    async def check(self) -> None:
        """Fail if there is a difference."""
        await self._run(command.check)

    async def execute(self, *statements: str) -> None:
        for statement in statements:
            await self.connection.exec_driver_sql(statement)
        await self.connection.commit()

    async def fetch(self, query: str) -> list[tuple[Any, ...]]:
        rows = (await self.connection.exec_driver_sql(query)).all()
        await self.connection.rollback()
        return [tuple(row) for row in rows]

    async def leftovers(self) -> set[str]:
        """Return the names of all tables, indexes, sequences, types, extensions and schemas of the database."""
        names = set((await self.connection.scalars(LEFTOVERS)).all())
        await self.connection.rollback()
        return names

    def revisions(self) -> list[Path]:
        return list((self.directory / "versions").glob("*.py"))

    @contextmanager
    def without(self, message: str) -> Iterator[None]:
        """Hide the revision with this message, which is not applied."""
        (revision,) = (self.directory / "versions").glob(f"*_{message}.py")
        hidden = revision.rename(revision.with_suffix(".hidden"))
        yield
        hidden.rename(revision)

    async def _run(self, run: Callable[..., object], *arguments: str, hooks: bool = False, **options: Any) -> None:
        config = alembic_config(self.directory)
        config.attributes["metadata"] = self.metadata
        if not hooks:
            config.set_section_option("post_write_hooks", "hooks", "")

        def run_on(connection: Connection) -> None:
            config.attributes["connection"] = connection
            run(config, *arguments, **options)

        await self.connection.run_sync(run_on)
        await self.connection.rollback()


@asynccontextmanager
async def open_workbench(url: URL, directory: Path, metadata: MetaData) -> AsyncIterator[Workbench]:
    async with create_migration_engine(url).connect() as connection:
        yield Workbench(connection, directory, metadata)
