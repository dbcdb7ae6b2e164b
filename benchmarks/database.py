"""The databases of a benchmark, on one PostgreSQL: one of 31 todos, and one of a million for keyset paging."""

import asyncio
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg

from benchmarks.cases import TODOS
from benchmarks.processes import BIN, ROOT, free_port, run_process, wait_for_port

KEYSET_ROWS = 1_000_000
MILLISECONDS = 20
# Ten rows after those whose cursor is taken, so that the cursor leads to the last page.
LAST_KEYS = f"generate_series({KEYSET_ROWS - 19}, {KEYSET_ROWS})"
FIRST_KEYS = f"generate_series(1, {KEYSET_ROWS - 20})"
FILL = "INSERT INTO todo (id, title) SELECT key, 'Todo ' || key FROM "
RESET = (f"DELETE FROM todo WHERE id > {TODOS}", "VACUUM ANALYZE todo")


class Databases:
    """Creates databases on the server of `uri`."""

    def __init__(self, uri: str) -> None:
        self._uri = uri

    def create(self, name: str, project: Path, keys: str) -> str:
        """Return the URI of a new database with the tables of the project, and todos with these keys."""
        uri = self._uri.replace("/postgres?", f"/{name}?")
        execute(self._uri, f"CREATE DATABASE {name}")
        environment = {"SQLALCHEMY_DATABASE_URI": uri, "PATH": f"{BIN}:/usr/bin:/bin", "APP_ENV": "production"}
        subprocess.run(["quart", "db", "upgrade"], cwd=project, env=environment, check=True, capture_output=True)
        fill(uri, keys)
        return uri

    def version(self) -> str:
        async def ask() -> str:
            connection = await asyncpg.connect(self._uri.replace("+asyncpg", ""))
            try:
                return str(await connection.fetchval("SHOW server_version"))
            finally:
                await connection.close()

        return asyncio.run(ask())


def fill(uri: str, keys: str) -> None:
    sequence = "SELECT setval('todo_id_seq', (SELECT max(id) FROM todo))"
    execute(uri, f"{FILL}{keys} AS key", sequence, "VACUUM ANALYZE todo")


def execute(uri: str, *statements: str) -> None:
    async def run() -> None:
        connection = await asyncpg.connect(uri.replace("+asyncpg", ""))
        for statement in statements:
            await connection.execute(statement)
        await connection.close()

    asyncio.run(run())


@contextmanager
def distant(uri: str, folder: Path) -> Iterator[str]:
    """Give the URI of the same database, whose answers take 20 ms longer."""
    query = parse_qs(urlsplit(uri).query)
    socket, port = f"{query['host'][0]}/.s.PGSQL.{query['port'][0]}", free_port()
    command = ["python", "-m", "benchmarks.latency", socket, str(port), str(MILLISECONDS)]
    log = folder / "latency.log"
    with run_process(command, ROOT, log, {}):
        wait_for_port(port, log)
        yield f"{uri.partition('@')[0]}@127.0.0.1:{port}{urlsplit(uri).path}"
