"""Runs commands, in this process where that is enough and in one of its own where only that is a proof."""

import asyncio
import logging
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from click.testing import CliRunner
from sqlalchemy import URL, NullPool, inspect, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from chassis.cli.database_commands import database_group
from chassis.config import ROOT

UNREACHABLE = URL.create("postgresql+asyncpg", "user", "secret", "127.0.0.1", 1, "nowhere")


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


async def quart(url: URL, *arguments: str, folder: Path = ROOT) -> Outcome:
    """Runs `quart` in a process of its own, like an operator or a container that starts."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "quart", "--app", "src/app", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=folder,
        env={**os.environ, "SQLALCHEMY_DATABASE_URI": url.render_as_string(hide_password=False)},
    )
    out, err = await process.communicate()
    return Outcome(process.returncode or 0, out.decode(), err.decode())


def db(url: URL, *arguments: str) -> Outcome:
    """Runs `quart db` in this process, from a test that is no coroutine."""
    with _logger_kept():
        result = CliRunner().invoke(database_group(url), arguments, prog_name="quart db")
    return Outcome(result.exit_code, result.stdout, result.stderr)


def one_line(message: str) -> str:
    """The message, which has to be an error and one line."""
    assert message.endswith("\n")
    assert message.count("\n") == 1
    assert message.startswith("Error: ")
    return message


@asynccontextmanager
async def new_database(server: URL) -> AsyncIterator[URL]:
    """An empty database next to that of the URL."""
    name = f"{server.database}_{uuid4().hex[:8]}"
    await execute(server, f'CREATE DATABASE "{name}"')
    try:
        yield server.set(database=name)
    finally:
        await execute(server, f'DROP DATABASE "{name}" WITH (FORCE)')


async def execute(url: URL, *statements: str) -> None:
    async with autocommit_engine(url).begin() as connection:
        for statement in statements:
            await connection.execute(text(statement))


async def tables(url: URL) -> set[str]:
    async with autocommit_engine(url).connect() as connection:
        return set(await connection.run_sync(lambda sync: inspect(sync).get_table_names()))


def autocommit_engine(url: URL) -> AsyncEngine:
    return create_async_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)


@contextmanager
def _logger_kept() -> Iterator[None]:
    logger = logging.getLogger("alembic")
    handlers, propagate, level = logger.handlers, logger.propagate, logger.level
    try:
        yield
    finally:
        logger.handlers, logger.propagate, logger.level = handlers, propagate, level
