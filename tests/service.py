"""Runs the commands of a generated project in processes of their own, as its user does.

A pytest plugin: a test module asks for its fixtures by `pytest_plugins = ["service"]`.
PYTEST_DONT_REWRITE, for it is imported before it is a plugin, and asserts nothing.
"""

import fcntl
import json
import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from socket import create_server
from typing import IO, Any

import httpx
import pytest
from conftest import Generate

HYPERCORN = ("hypercorn", "asgi:app", "--config", "hypercorn.toml", "--bind", "127.0.0.1:{port}")
PORTS = range(11_000, 32_000)  # a browser refuses 10080
UNREACHABLE = "postgresql://nobody@127.0.0.1:1/nothing"
TO_START = 60.0  # seconds, on a machine that does much else
TO_STOP = 30.0
TO_WRITE = 5.0
TO_LOOK_AGAIN = 2.0
# Where there is no database the error is another one, and nothing to wait for.
SLOW = re.compile("^(?=.*TimeoutError).*maintenance state is not watched", re.MULTILINE)
PASSED_ON = ("HOME", "LANG", "SYSTEMROOT", "TMPDIR")  # not the settings of whoever runs the tests

# A controller with what a contract is tested with and no service has.
PROBE = """
from quart import Blueprint, url_for, websocket

blueprint = Blueprint("probe", __name__, url_prefix="/probe")


@blueprint.get("/failure")
async def failure() -> str:
    password = "hunter2".upper()
    raise RuntimeError("a reason that is nobody's business", len(password))


@blueprint.get("/urls")
async def urls() -> dict[str, str]:
    return {
        "path": url_for("todo.retrieve_todo", todo_id=1),
        "url": url_for("todo.retrieve_todo", todo_id=1, _external=True),
    }


@blueprint.websocket("/echo")
async def echo() -> None:
    while True:
        await websocket.send(await websocket.receive())
"""

# Runs inside `scripts.postgres temporary`: says where the database is, then executes SQL.
SQL_EXECUTOR = """
import asyncio, json, os, sys
from sqlalchemy import NullPool, text
from sqlalchemy.ext.asyncio import create_async_engine

async def execute(uri, sql):
    engine = create_async_engine(uri, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.execute(text(sql))

print(os.environ["SQLALCHEMY_DATABASE_URI"], flush=True)
for line in sys.stdin:
    asyncio.run(execute(*json.loads(line)))
    print("done", flush=True)
"""


def free_port() -> int:
    """The next one below those that a system gives to connections: nobody gets it before the server that will."""
    with (Path(tempfile.gettempdir()) / f"free-ports-{os.getuid()}").open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        count = int(file.read() or 0)
        while not _is_free(port := PORTS[count % len(PORTS)]):
            count += 1
        file.truncate(0)
        file.write(str(count + 1))
    return port


def _is_free(port: int) -> bool:
    with suppress(OSError), create_server(("127.0.0.1", port)):
        return True
    return False


def on_port(port: int, command: Sequence[str]) -> list[str]:
    return [word.replace("{port}", str(port)) for word in command]


class Service:
    """A running service; `output` is what it wrote to stdout and stderr."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, output: IO[bytes]) -> None:
        self.process = process
        self.started = time.monotonic()
        self.seconds = 0.0  # from the start to the first answer
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.http = httpx.Client(base_url=self.url, trust_env=False, timeout=TO_STOP)
        self._output = output

    @property
    def output(self) -> str:
        return os.pread(self._output.fileno(), 10_000_000, 0).decode()  # it appends where it is

    def events(self, **wanted: object) -> list[dict[str, Any]]:
        """Lines of the JSON log that have these members, in the order they were written."""
        complete, _, _ = self.output.rpartition("\n")
        lines = [line for line in complete.splitlines() if line.startswith("{") and line.endswith("}")]
        events: list[dict[str, Any]] = [json.loads(line) for line in lines]
        return [event for event in events if wanted.items() <= event.items()]

    def awaited(self, **wanted: object) -> list[dict[str, Any]]:
        """The same, when there is one: the line of a request is written after its answer was sent."""
        deadline = time.monotonic() + TO_WRITE
        while not self.events(**wanted) and time.monotonic() < deadline:
            time.sleep(0.01)
        return self.events(**wanted)

    @property
    def resident_megabytes(self) -> float | None:
        """Memory of the serving process, where /proc says it."""
        status = Path(f"/proc/{self.process.pid}/status")
        if not status.exists():
            return None
        values = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(values["VmRSS"].split()[0]) / 1024

    def request(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> httpx.Response:
        """Sends the path as it is, even one that could be a host."""
        request = self.http.build_request(method, "/", headers=headers, content=content)
        request.url = request.url.copy_with(raw_path=path.encode())
        return self.http.send(request)

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> httpx.Response:
        return self.request("GET", path, headers)

    def wait_for(self, path: str, status: int = 200) -> None:
        """Returns when the path answers with this status."""
        deadline = time.monotonic() + TO_START
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                if self.get(path).status_code == status:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.01)
        msg = f"{path} does not answer with {status}; the service wrote:\n{self.output}"
        raise AssertionError(msg)

    def wait_for_the_window(self) -> None:
        """Returns when it knows whether there is one: after a first look that took too long it serves, but only 503."""
        deadline = time.monotonic() + TO_LOOK_AGAIN
        while SLOW.search(self.output) and "is watched again" not in self.output and time.monotonic() < deadline:
            time.sleep(0.01)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Returns the exit code; what does not end in time is killed, which makes it -9."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.ended()

    def ended(self) -> int:
        """The same for a service that was told already: a second signal may kill what is just about to exit."""
        try:
            return self.process.wait(TO_STOP)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            return self.process.wait()

    @property
    def left_something(self) -> bool:
        """Whether a process that it started still runs."""
        try:
            os.killpg(self.process.pid, 0)
        except ProcessLookupError:
            return False
        return True


@dataclass(frozen=True)
class Commands:
    """Runs what is installed in `folder`; besides the settings that are given, services stop without draining."""

    folder: Path

    def environment(self, settings: Mapping[str, str]) -> dict[str, str]:
        passed_on = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        path = f"{self.folder}{os.pathsep}{os.environ['PATH']}"
        without_delay = {"PYTHONUNBUFFERED": "1", "SHUTDOWN_DRAIN_SECONDS": "0"}
        return {**passed_on, "PATH": path, **without_delay, **settings}

    def run(self, project: Path, *command: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """Waits for the command; `{port}` in it is a free one."""
        port = free_port() if "{port}" in str(command) else 0
        return subprocess.run(
            on_port(port, command),
            cwd=project,
            env=self.environment(settings),
            capture_output=True,
            text=True,
            timeout=2 * TO_START,
            check=False,
        )

    @contextmanager
    def serving(
        self, project: Path, *command: str, answers: str = "/health/live", port: str = "", **settings: str
    ) -> Iterator[Service]:
        """Runs a service, by default with Hypercorn and on a free port, from when `answers` answers with 200."""
        number = int(port) if port else free_port()
        with tempfile.TemporaryFile() as output:
            process = subprocess.Popen(
                on_port(number, command or HYPERCORN),
                cwd=project,
                env=self.environment(settings),
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            service = Service(process, number, output)
            try:
                service.wait_for(answers)
                service.seconds = time.monotonic() - service.started
                service.wait_for_the_window()
                yield service
            finally:
                service.stop()
                service.http.close()


class Postgres:
    """One server for all tests, a database of its own for each that wants one."""

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

    def create(self, name: str = "", template: str = "migrated") -> str:
        """The URI of a new database, by default with the schema of the project."""
        self._count += 1
        name = name or f"test_{self._count}"
        self.execute(self._uri, f"CREATE DATABASE {name} TEMPLATE {template}")
        return self._uri.replace("/postgres?", f"/{name}?")

    def _read(self) -> str:
        line = self._process.stdout.readline().strip() if self._process.stdout else ""
        if not line:
            raise RuntimeError("PostgreSQL did not do it, its reason is on stderr")
        return line


@pytest.fixture(name="commands", scope="session")
def _commands(project_environment: Path) -> Commands:
    return Commands(project_environment)


@pytest.fixture(name="postgres", scope="session")
def _postgres(project: Path, commands: Commands) -> Iterator[Postgres]:
    command = ["python", "-m", "scripts.postgres", "temporary", "--", "python", "-c", SQL_EXECUTOR]
    with subprocess.Popen(
        command,
        cwd=project,
        env=commands.environment({}),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:  # which closes its stdin at the end, and waits
        server = Postgres(process)
        uri = server.create("migrated", template="template1")
        upgraded = commands.run(project, "quart", "db", "upgrade", SQLALCHEMY_DATABASE_URI=uri)
        if upgraded.returncode:
            raise RuntimeError(upgraded.stderr)
        yield server


@pytest.fixture(name="probed_project", scope="session")
def _probed_project(generate: Generate) -> Path:
    """A project with routes below /probe: one that fails, one that makes URLs, a websocket."""
    project = generate()
    probe = project / "src" / "api" / "controllers" / "probe.py"
    probe.write_text(PROBE, encoding="utf-8")
    return project
