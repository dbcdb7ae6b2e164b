"""The servers that are compared: ours in three ways, and the peers."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

from benchmarks.processes import ROOT, START_SECONDS, free_port, run_process

HYPERCORN = ("hypercorn", "--workers", "0", "--worker-class", "uvloop", "--bind", "127.0.0.1:{port}")
UVICORN = ("uvicorn", "--no-access-log", "--port", "{port}")
OURS = {
    "SHUTDOWN_DRAIN_SECONDS": "0",
    "APP_ENV": "production",
    "LOG_FORMAT": "json",
    "LOG_LEVEL": "INFO",
}


@dataclass(frozen=True)
class Server:
    """A program that serves the API of todos."""

    name: str
    command: tuple[str, ...]
    is_ours: bool = False


@dataclass(frozen=True)
class RunningServer:
    """A process of a server; `seconds_to_start` is the time until its first answer."""

    server: Server
    pid: int
    port: int
    seconds_to_start: float


HYPERCORN_OURS = Server("ours", ("hypercorn", "asgi:app", "--config", "hypercorn.toml", *HYPERCORN[5:]), is_ours=True)
FLOOR = Server("floor", (*HYPERCORN, "benchmarks.peers.floor:app"))
FASTAPI = Server("FastAPI", (*UVICORN, "benchmarks.peers.plain_fastapi:app"))
QUART = Server("Quart", (*HYPERCORN, "benchmarks.peers.plain_quart:app"))
SERVERS = (
    HYPERCORN_OURS,
    Server("ours on uvicorn", (*UVICORN, "asgi:app"), is_ours=True),
    Server("ours on granian", ("granian", "--interface", "asgi", "--port", "{port}", "asgi:app"), is_ours=True),
    FLOOR,
    FASTAPI,
    Server("FastAPI-template", (*UVICORN, "benchmarks.peers.fastapi_template:app")),
    Server("Litestar", (*UVICORN, "benchmarks.peers.plain_litestar:app")),
    QUART,
)


@contextmanager
def serve(server: Server, project: Path, uri: str, **settings: str) -> Iterator[RunningServer]:
    """Run the server on a free port inside the block."""
    port = free_port()
    command = [word.replace("{port}", str(port)) for word in server.command]
    log = project.parent / f"{server.name}.log"
    settings = {"SQLALCHEMY_DATABASE_URI": uri, **(OURS if server.is_ours else {}), **settings}
    started = time.monotonic()
    with run_process(command, project if server.is_ours else ROOT, log, settings) as pid:
        wait_for_answer(port, log)
        yield RunningServer(server, pid, port, time.monotonic() - started)


def wait_for_answer(port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            if get(port, "/health/live")[0] == 200:
                return
        except OSError:
            time.sleep(0.005)
    sys.exit(f"The server does not answer: {log.read_text(encoding='utf-8')}")


def get(port: int, path: str, method: str = "GET", body: str | None = None) -> tuple[int, bytes]:
    """Return the status and the body of an answer."""
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()
