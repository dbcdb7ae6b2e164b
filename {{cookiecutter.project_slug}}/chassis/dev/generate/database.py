"""An empty PostgreSQL for migrations, and the migrations that the database of the service has."""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from alembic.script import ScriptDirectory
from sqlalchemy.exc import SQLAlchemyError

from chassis.cli.command import describe
from chassis.dev.generate.changes import Change
from chassis.dev.generate.refusal import GeneratorError
from chassis.dev.postgres import PostgresServer, configured_uri, temporary_server
from chassis.dev.postgres_wheel import PostgresError
from chassis.dev.testing.migrations import new_database
from chassis.domain.exceptions import DomainError
from chassis.persistence.engine import create_migration_engine
from chassis.persistence.migrations import alembic_config
from chassis.persistence.readiness import APPLIED
from chassis.persistence.url import parse_url


@contextmanager
def empty_database() -> Iterator[str]:
    """Give the URI of an empty database: of the wheel, else a new one on the server that is configured.

    Raises:
        GeneratorError: there is neither.
    """
    with ExitStack() as stack:
        try:
            uri = stack.enter_context(temporary_server())
        except PostgresError as error:
            uri = stack.enter_context(_new_database(error))
        yield uri


@contextmanager
def _new_database(reason: PostgresError) -> Iterator[str]:
    configured = configured_uri()
    if not configured:
        raise GeneratorError(
            f"{str(reason).rstrip('.')}: set SQLALCHEMY_DATABASE_URI, or add --no-migration."
        ) from reason
    with asyncio.Runner() as runner:
        try:
            database = new_database(parse_url(configured))
            url = runner.run(database.__aenter__())
        except Exception as error:  # noqa: BLE001 - whatever it is, the sentence has it
            raise GeneratorError(
                f"Your server has no empty database for the migration ({describe(error)}): "
                "let its user create databases, or add --no-migration."
            ) from None
        try:
            yield url.render_as_string(hide_password=False)
        finally:
            runner.run(database.__aexit__(None, None, None))


def check_not_applied(root: Path, changes: Iterable[Change]) -> None:
    """Raise GeneratorError if the development database has a migration that would be removed."""
    removed = {root / change.path for change in changes if change.after is None}
    scripts = ScriptDirectory.from_config(alembic_config(root / "migrations")).walk_revisions()
    revisions = [script for script in scripts if Path(script.path) in removed]
    applied = _read_development_database(root) if revisions else set()
    if any(script.revision in applied for script in revisions):
        before = revisions[-1].down_revision or "base"
        raise GeneratorError(
            f"Your database has the migration: type `quart db downgrade {before}` first, "
            "or add --force, which writes a migration that drops the table."
        )


def _read_development_database(root: Path) -> set[str]:
    """Return the newest migrations of the database that is configured, else of the one that `make run` starts."""
    server = PostgresServer(root / ".postgres")
    if uri := configured_uri():
        return asyncio.run(_read_applied(uri))
    if not server.data.exists():
        return set()
    try:
        with server.started():
            return asyncio.run(_read_applied(server.uri))
    except PostgresError:
        return set()


async def _read_applied(uri: str) -> set[str]:
    """Return the newest migrations of the database; none if it does not answer or has none."""
    try:
        async with create_migration_engine(parse_url(uri)).connect() as connection:
            return set(await connection.scalars(APPLIED))
    except (OSError, SQLAlchemyError, DomainError):
        return set()
