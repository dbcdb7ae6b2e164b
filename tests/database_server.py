"""A PostgreSQL whose life is in the hands of a test, and an administrator who asks it.

A pytest plugin: a test module asks for its fixture by `pytest_plugins = ["service", "database_server"]`.
PYTEST_DONT_REWRITE, for it is imported before it is a plugin, and asserts nothing.
"""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path
from typing import Self

import pytest
from service import Commands

# Runs in the folder of a project; its server ends with it.
SERVER = """
import sys
from pathlib import Path

import psutil
from scripts.postgres import PostgresServer


class Server(PostgresServer):
    def kill(self):
        postmaster = psutil.Process(int((self.data / "postmaster.pid").read_text().split()[0]))
        postmaster.suspend()  # from now on it has no more children
        processes = [postmaster, *postmaster.children()]
        postmaster.kill()
        _, alive = psutil.wait_procs(processes, timeout=60)  # they hold the memory that the next server wants
        if alive:
            raise TimeoutError(alive)


server = Server(Path(sys.argv[1]), durable=sys.argv[2] == "durable")
try:
    for line in sys.stdin:
        getattr(server, line.strip())()
        print(server.uri if server.running else "stopped", flush=True)
finally:
    server.stop()
"""


class Server:
    """A PostgreSQL that may be stopped, started and killed; with the schema of the project after `migrate`."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self._process = process
        self._folder = folder
        self.uri = self.start()

    @classmethod
    @contextmanager
    def running(cls, commands: Commands, project: Path, folder: Path, kind: str = "fast") -> Iterator[Self]:
        """A `durable` one waits for the disk before it says that something is committed."""
        with subprocess.Popen(
            ["python", "-c", SERVER, str(folder), kind],
            cwd=project,
            env=commands.environment({}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            yield cls(process, folder)

    def start(self) -> str:
        return self._do("start")

    def stop(self) -> None:
        """Ends open connections with a word, as an administrator does."""
        self._do("stop")

    def kill(self) -> None:
        """Ends it without a word, as running out of memory does; returns when all of its processes are gone."""
        self._do("kill")

    def migrate(self, commands: Commands, project: Path) -> None:
        upgraded = commands.run(project, "quart", "db", "upgrade", SQLALCHEMY_DATABASE_URI=self.uri)
        if upgraded.returncode:
            raise RuntimeError(upgraded.stderr)

    @property
    def log(self) -> str:
        return (self._folder / "log").read_text(encoding="utf-8")

    def _do(self, what: str) -> str:
        if self._process.stdin is None or self._process.stdout is None:
            raise TypeError("The process needs pipes")
        self._process.stdin.write(f"{what}\n")
        self._process.stdin.flush()
        if not (line := self._process.stdout.readline().strip()):
            raise RuntimeError("PostgreSQL did not do it, its reason is on stderr")
        return line


class Database:
    """Asks a database as an administrator would, around the service."""

    def __init__(self, commands: Commands, uri: str) -> None:
        self._psql = next(commands.folder.parent.glob("lib/*/site-packages/*/pginstall[1-9]?/bin/psql"))
        self._arguments = ["-qAtX", "-v", "ON_ERROR_STOP=1", "-d", uri.replace("+asyncpg", "")]

    def query(self, sql: str) -> str:
        """Rows as lines, columns with `|` in between."""
        result = subprocess.run([self._psql, *self._arguments, "-c", sql], capture_output=True, text=True, check=False)
        if result.returncode:
            raise RuntimeError(result.stderr)
        return result.stdout.strip()

    @contextmanager
    def transaction(self, sql: str) -> Iterator[str]:
        """Holds what `sql` locks; yields the rows that it returns."""
        with subprocess.Popen(
            [self._psql, *self._arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as session:
            if session.stdin is None or session.stdout is None:
                raise TypeError("The process needs pipes")
            session.stdin.write(f"BEGIN;\n{sql};\n\\echo holds\n")
            session.stdin.flush()
            lines = iter(session.stdout.readline, "")
            yield "".join(takewhile("holds\n".__ne__, lines)).strip()
            session.communicate("COMMIT;\n")


@pytest.fixture(name="server", scope="session")
def _server(project: Path, commands: Commands, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """With the schema of the project; a test that stops it starts it again."""
    with Server.running(commands, project, tmp_path_factory.mktemp("server")) as server:
        server.migrate(commands, project)
        yield server
