"""The revisions that a command writes or removes, and what a database needs before and after that."""

import ast
import asyncio
import re
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from sqlalchemy import String, column, select
from sqlalchemy.exc import SQLAlchemyError

from chassis.config import ROOT
from chassis.dev.generate.changes import Change
from chassis.dev.generate.refusal import GeneratorError
from chassis.dev.postgres import PostgresServer, configured_uri
from chassis.dev.postgres_wheel import PostgresError
from chassis.persistence.engine import create_migration_engine
from chassis.persistence.migrations import VERSION_TABLE
from chassis.persistence.url import parse_url

VERSIONS = Path("migrations/versions")
CHECK = "Next: make check"
START = "make run or make dev (restart it if it is running), then make check"
_NAMES = re.compile(r"^(?:down_)?revision\b.* = (.+)$", re.MULTILINE)  # its own name first


def advice(changes: Sequence[Change], *, has_migration: bool) -> list[str]:
    """Return lines that say what to do after these changes."""
    removed = _removed_revisions(changes)
    if removed:
        command = f"quart db downgrade {_base_of(removed)}"
        return [f"If another database has the removed migration, restore its file and run {command} there.", CHECK]
    if any(change.verb == "write" for change in changes if change.path.parent == VERSIONS):
        return [f"Next: {START}"]
    return [CHECK if has_migration else f"Next: quart db migrate, {START}"]


def check_not_applied(changes: Sequence[Change]) -> None:
    """Raise GeneratorError if the development database has a revision that is about to be removed.

    A database that cannot be reached is not checked.
    """
    removed = _removed_revisions(changes)
    applied = removed.keys() & _applied_revisions() if removed else set()
    if applied:
        raise GeneratorError(
            f"The database has the migration {', '.join(applied)}, which would be removed: "
            f"run `quart db downgrade {_base_of(removed)}` first."
        )


def _removed_revisions(changes: Sequence[Change]) -> dict[str, str | None]:
    """Return the revisions with those before them."""
    removed = [change for change in changes if change.verb == "remove" and change.path.parent == VERSIONS]
    names = [_NAMES.findall((change.before or b"").decode()) for change in removed]
    return {ast.literal_eval(name): ast.literal_eval(before) for name, before in names}


def _base_of(removed: dict[str, str | None]) -> str:
    """Return the revision to which a database has to be downgraded."""
    return next((before for before in removed.values() if before and before not in removed), "base")


def _applied_revisions() -> set[str]:
    """Return those of the configured database, else of the project's own; none if it cannot be reached."""
    server = PostgresServer(ROOT / ".postgres")
    uri = configured_uri()
    try:
        with ExitStack() as stack:
            if not uri and server.data.exists():
                stack.enter_context(server.started())
                uri = server.uri
            return asyncio.run(_read_revisions(uri)) if uri else set()
    except (OSError, SQLAlchemyError, PostgresError):
        return set()


async def _read_revisions(uri: str) -> set[str]:
    query = select(column("version_num", String)).select_from(VERSION_TABLE)
    async with create_migration_engine(parse_url(uri)).connect() as connection:
        return set(await connection.scalars(query))
