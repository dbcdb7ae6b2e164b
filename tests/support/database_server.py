"""A PostgreSQL that tests stop, start and kill, and direct access to its databases; a pytest plugin."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path
from typing import Self

import pytest

from support.applications import run_script
from support.service import Commands


class Server:
    """A PostgreSQL that is empty until `migrate` creates the schema of the project."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self._process = process
        self._folder = folder
        self.uri = self.start()

    @classmethod
    @contextmanager
    def run(cls, commands: Commands, project: Path, folder: Path, kind: str = "fast") -> Iterator[Self]:
        """Run a server in this folder; one of the kind `durable` waits for the disk before it acknowledges a commit."""
        with subprocess.Popen(
            [*run_script("control_postgres"), str(folder), kind],
            cwd=project,
            env=commands.environment({}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            yield cls(process, folder)

    def start(self) -> str:
        return self._command("start")

    def stop(self) -> None:
        """Stop the server as an administrator does: it tells its clients before it closes their connections."""
        self._command("stop")

    def kill(self) -> None:
        """Kill all of its processes and wait for their end, like the kernel when it runs out of memory."""
        self._command("kill")

    def migrate(self, commands: Commands, project: Path) -> None:
        upgraded = commands.run(project, "quart", "db", "upgrade", SQLALCHEMY_DATABASE_URI=self.uri)
        if upgraded.returncode:
            raise RuntimeError(upgraded.stderr)

    @property
    def log(self) -> str:
        return (self._folder / "log").read_text(encoding="utf-8")

    def _command(self, name: str) -> str:
        if self._process.stdin is None or self._process.stdout is None:
            raise TypeError("The process needs pipes")
        self._process.stdin.write(f"{name}\n")
        self._process.stdin.flush()
        if not (line := self._process.stdout.readline().strip()):
            raise RuntimeError("PostgreSQL has failed; stderr has the reason")
        return line


class Database:
    """Direct access to a database with psql, without the service."""

    def __init__(self, commands: Commands, uri: str) -> None:
        self._psql = next(commands.folder.parent.glob("lib/*/site-packages/*/pginstall[1-9]?/bin/psql"))
        self._arguments = ["-qAtX", "-v", "ON_ERROR_STOP=1", "-d", uri.replace("+asyncpg", "")]

    def query(self, sql: str) -> str:
        """Return one line for each row, with `|` between its columns."""
        result = subprocess.run([self._psql, *self._arguments, "-c", sql], capture_output=True, text=True, check=False)
        if result.returncode:
            raise RuntimeError(result.stderr)
        return result.stdout.strip()

    @contextmanager
    def transaction(self, sql: str) -> Iterator[str]:
        """Keep a transaction open, with the locks that `sql` takes; yields the rows that it returns."""
        with subprocess.Popen(
            [self._psql, *self._arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as session:
            if session.stdin is None or session.stdout is None:
                raise TypeError("The process needs pipes")
            session.stdin.write(f"BEGIN;\n{sql};\n\\echo begun\n")
            session.stdin.flush()
            lines = iter(session.stdout.readline, "")
            yield "".join(takewhile("begun\n".__ne__, lines)).strip()
            session.communicate("COMMIT;\n")


@pytest.fixture(name="server", scope="session")
def _server(project: Path, commands: Commands, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with the schema of the project; a test that stops it has to start it again."""
    with Server.run(commands, project, tmp_path_factory.mktemp("server")) as server:
        server.migrate(commands, project)
        yield server
