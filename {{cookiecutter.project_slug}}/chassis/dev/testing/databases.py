"""The PostgreSQL for tests is chosen here and nowhere else.

It is the one that `TEST_DATABASE_URL` names; otherwise a container, if a Docker engine answers; otherwise the server of
the wheel. `TEST_DATABASE=url|container|embedded` forces one of them, and then nothing else is tried.
"""

import asyncio
import gc
import os
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from typing import NoReturn

import docker
import pytest
from docker.errors import DockerException
from sqlalchemy import URL, text
from sqlalchemy.ext.asyncio import create_async_engine
from testcontainers.community.postgres import PostgresContainer

from chassis.dev.postgres import temporary_server
from chassis.persistence.engine import DatabaseOptions
from chassis.persistence.url import parse_url

# For all tests that are not about timeouts, because the machine may be busy.
PATIENT = DatabaseOptions(application_name="tests", connect_timeout=30, pool_timeout=30)
KINDS = ("url", "container", "embedded")


def choose_kind() -> str:
    """Return the kind of database.

    Raises:
        pytest.UsageError: the choice is impossible; the message says what to do instead.
    """
    wanted = os.environ.get("TEST_DATABASE", "")
    if wanted not in ("", *KINDS):
        msg = f"TEST_DATABASE={wanted}: expected one of {', '.join(KINDS)}."
        raise pytest.UsageError(msg)
    if wanted == "url" or (not wanted and os.environ.get("TEST_DATABASE_URL")):
        _url_from_environment()
        return "url"
    if wanted == "container" and not _engine_answers():
        msg = "TEST_DATABASE=container, but no Docker engine answers: start it, or use TEST_DATABASE=embedded."
        raise pytest.UsageError(msg)
    return wanted or ("container" if _engine_answers() else "embedded")


@contextmanager
def provide_database(kind: str, worker: str) -> Iterator[URL]:
    """Give a test database, and remove what was created for it; each worker of `pytest -n` gets its own."""
    if kind == "url":
        with _database_of_worker(_url_from_environment(), worker) as url:
            yield url
    elif kind == "container":
        with _start(_create_container()) as container:
            yield parse_url(container.get_connection_url())
    else:
        with temporary_server() as server:
            yield parse_url(server)


@contextmanager
def _start(container: PostgresContainer) -> Iterator[PostgresContainer]:
    try:
        container.start()
    except DockerException as error:
        _give_up(
            f"Docker answers, but does not start {container.image}: {error}; TEST_DATABASE=embedded works without it."
        )
    try:
        yield container
    finally:
        container.stop()


def _give_up(message: str) -> NoReturn:
    """End the run; a worker of pytest-xdist cannot do that, so each of its tests fails with the message."""
    if os.environ.get("PYTEST_XDIST_WORKER"):
        pytest.fail(message, pytrace=False)
    pytest.exit(message, returncode=pytest.ExitCode.USAGE_ERROR)


def _create_container() -> PostgresContainer:
    image = os.environ.get("TEST_POSTGRES_IMAGE", "postgres:18-alpine")
    container = PostgresContainer(image, username="test", password="test", dbname="test", driver="asyncpg")
    return container.with_command("postgres -c fsync=off")


def _url_from_environment() -> URL:
    value = os.environ.get("TEST_DATABASE_URL", "")
    if not value:
        msg = "TEST_DATABASE=url needs TEST_DATABASE_URL, for instance postgresql://user:password@localhost/test."
        raise pytest.UsageError(msg)
    try:
        url = parse_url(value)
    except ValueError as error:
        msg = f"TEST_DATABASE_URL {error}."
        raise pytest.UsageError(msg) from None
    if "test" not in (url.database or ""):
        msg = (
            f"TEST_DATABASE_URL names the database {url.database!r}: tests delete data, so its name must contain test."
        )
        raise pytest.UsageError(msg)
    return url


@cache
def _engine_answers() -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # without an engine, Docker's client leaves a socket open
        try:
            with closing(docker.from_env(timeout=3)) as client:
                return bool(client.ping())
        except DockerException:
            return False
        finally:
            gc.collect()


@contextmanager
def _database_of_worker(url: URL, worker: str) -> Iterator[URL]:
    if worker == "master":
        yield url
        return
    name = f"{url.database}_{worker}"
    _execute(url, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)', f'CREATE DATABASE "{name}"')
    try:
        yield url.set(database=name)
    finally:
        _execute(url, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def _execute(url: URL, *statements: str) -> None:
    async def execute() -> None:
        engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
        async with engine.connect() as connection:
            for statement in statements:
                await connection.execute(text(statement))
        await engine.dispose()

    asyncio.run(execute())
