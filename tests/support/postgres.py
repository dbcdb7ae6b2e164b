"""A PostgreSQL for all tests of a pytest process; a pytest plugin."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.applications import run_script
from support.service import Commands


class Postgres:
    """One server that creates a new database for each test that needs one."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._uri = self._read()
        self._count = 0

    def execute(self, uri: str, sql: str) -> None:
        if self._process.stdin is None:
            raise TypeError("The process needs pipes")
        self._process.stdin.write(f"{json.dumps([uri, sql])}\n")
        self._process.stdin.flush()
        self._read()

    def create_database(self, name: str = "", template: str = "migrated") -> str:
        """Return the URI of a new database, by default with the schema of the project."""
        self._count += 1
        name = name or f"test_{self._count}"
        self.execute(self._uri, f"CREATE DATABASE {name} TEMPLATE {template}")
        return self._uri.replace("/postgres?", f"/{name}?")

    def _read(self) -> str:
        line = self._process.stdout.readline().strip() if self._process.stdout else ""
        if not line:
            raise RuntimeError("PostgreSQL has failed; stderr has the reason")
        return line


@pytest.fixture(name="postgres", scope="session")
def _postgres(project: Path, commands: Commands) -> Iterator[Postgres]:
    command = ["python", "-m", "chassis.dev.postgres", "temporary", "--", *run_script("execute_sql")]
    with subprocess.Popen(
        command,
        cwd=project,
        env=commands.environment({}),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:  # closes stdin at the end, at which the script stops, and waits for it
        server = Postgres(process)
        uri = server.create_database("migrated", template="template1")
        upgraded = commands.run(project, "quart", "db", "upgrade", SQLALCHEMY_DATABASE_URI=uri)
        if upgraded.returncode:
            raise RuntimeError(upgraded.stderr)
        yield server
