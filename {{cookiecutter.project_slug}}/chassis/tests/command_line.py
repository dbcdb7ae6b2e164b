"""Run commands: in this process where that is enough, otherwise in a process as an operator starts it."""

import asyncio
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

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
    """Run `quart` in a process, as an operator or a container does."""
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
    """Run `quart db` in this process, from a test that is not a coroutine."""
    with _restored_logger():
        result = CliRunner().invoke(database_group(url), arguments, prog_name="quart db")
    return Outcome(result.exit_code, result.stdout, result.stderr)


def one_line(message: str) -> str:
    """Return the message if it is an error of one line, and fail otherwise."""
    assert message.endswith("\n")
    assert message.count("\n") == 1
    assert message.startswith("Error: ")
    return message


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
def _restored_logger() -> Iterator[None]:
    logger = logging.getLogger("alembic")
    handlers, propagate, level = logger.handlers, logger.propagate, logger.level
    try:
        yield
    finally:
        logger.handlers, logger.propagate, logger.level = handlers, propagate, level
