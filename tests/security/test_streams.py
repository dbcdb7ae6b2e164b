"""Streams without an end and clients that read nothing, while a maintenance window becomes active and at SIGTERM.

An SSE client once kept the window from becoming quiet: the command was not run, and the exit code was 3.
"""

import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.applications import add_controller
from support.database_server import Database
from support.instances import connect_to
from support.postgres import Postgres
from support.report import note
from support.service import Commands, Service
from support.template import Generate
from support.waiting import wait_until

POLL = 0.1  # seconds, MAINTENANCE_POLL_SECONDS
SEND_TIMEOUT = 2  # seconds, DRAIN_SEND_TIMEOUT
NOT_DRAINED = 3
GATES = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE '% gate'"
COMMAND = ("with_maintenance_mode", "--timeout", "12", "--", "echo", "has run")


@dataclass(frozen=True)
class Scene:
    service: Service
    commands: Commands
    project: Path
    settings: dict[str, str]

    def quart(self, *command: str) -> subprocess.CompletedProcess[str]:
        return self.commands.run(self.project, "quart", *command, **self.settings)

    @contextmanager
    def client(self, path: str) -> Iterator[socket.socket]:
        """A client that has received the beginning of a response, and reads nothing more by itself."""
        with socket.create_connection(("127.0.0.1", self.service.port), timeout=30) as client:
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            assert client.recv(1024).startswith(b"HTTP/1.1 200")
            yield client


@pytest.fixture(name="streaming_project", scope="module")
def _streaming_project(generate: Generate) -> Path:
    project = generate()
    add_controller(project, "stream")
    return project


@pytest.fixture(name="scene")
def _scene(streaming_project: Path, commands: Commands, postgres: Postgres) -> Iterator[Scene]:
    uri = postgres.create_database()
    settings = {
        "SQLALCHEMY_DATABASE_URI": uri,
        "APP_ENV": "development",
        "LOG_FORMAT": "json",
        "MAINTENANCE_POLL_SECONDS": str(POLL),
        "DRAIN_SEND_TIMEOUT": str(SEND_TIMEOUT),
    }
    with commands.serve(streaming_project, **settings) as service:
        wait_until(lambda: Database(commands, uri).query(GATES) == "1")
        yield Scene(service, commands, streaming_project, settings)


def read_to_end(client: socket.socket) -> bytes:
    content, deadline = b"", time.monotonic() + 30
    while data := client.recv(65536):
        content += data
        if time.monotonic() > deadline:
            raise TimeoutError(f"the stream goes on: {content[-100:]!r}")
    return content


def test_the_command_runs_although_a_client_listens_to_a_stream(scene: Scene) -> None:
    with scene.client("/stream/events") as client:
        result = scene.quart(*COMMAND)
        received = read_to_end(client)

    assert (result.returncode, "has run" in result.stdout) == (0, True), result.stderr
    assert received.endswith(b"0\r\n\r\n")  # the end of a chunked response that is complete
    assert "stream ended" in scene.service.output


def test_the_command_runs_although_a_client_reads_nothing(scene: Scene) -> None:
    with scene.client("/stream/flood"):
        started = time.monotonic()
        result = scene.quart(*COMMAND)
        seconds = time.monotonic() - started

    (cut,) = scene.service.events(event="connection cut: the client takes nothing")
    assert cut["request"] == "GET /stream/flood"
    assert (result.returncode, "has run" in result.stdout) == (0, True), result.stderr
    assert scene.service.events(level="error") == []
    note(f"window, a client that reads nothing: ran the command after {seconds:.1f} s, {SEND_TIMEOUT} of them for it")


def test_a_stream_that_does_not_end_is_named_by_its_route_and_age(scene: Scene) -> None:
    with scene.client("/stream/endless"):
        result = scene.quart(*COMMAND)
        with connect_to(scene.service.port) as (operator,):
            operator.set_maintenance(False)

    (report,) = scene.service.events(event="still in flight")
    assert (result.returncode, "has run" in result.stdout) == (NOT_DRAINED, False)
    assert "1 of 1 workers draining (1 in flight)" in result.stderr
    assert 'The log of each says what it waits for, as "still in flight".' in result.stderr
    assert (report["reason"], report["count"]) == ("maintenance", 1)
    assert report["oldest"][0].startswith("GET /stream/endless, ")


def test_a_service_that_is_told_to_stop_does_not_wait_for_a_stream(scene: Scene) -> None:
    """Otherwise it waits for as long as `graceful_timeout`, 20 seconds."""
    with scene.client("/stream/events"):
        started = time.monotonic()
        code = scene.service.stop()
        seconds = time.monotonic() - started

    assert code == 0
    assert seconds < 10
    assert scene.service.events(level="error") == []
    note(f"SIGTERM, a client that listens to a stream: exit after {seconds:.1f} s")


def test_a_service_that_is_told_to_stop_ends_the_request_of_a_client_that_reads_nothing(scene: Scene) -> None:
    """Its connection is the business of the server, which closes it after `graceful_timeout` at the latest."""
    with scene.client("/stream/flood"):
        scene.service.process.send_signal(signal.SIGTERM)
        (cut,) = scene.service.wait_for_events(event="connection cut: the client takes nothing")
        (request,) = scene.service.wait_for_events(event="request", path="/stream/flood")

        assert scene.service.stop() == 0
    assert cut["request"] == "GET /stream/flood"
    assert SEND_TIMEOUT * 1000 <= request["milliseconds"] < (SEND_TIMEOUT + 5) * 1000
    assert scene.service.events(level="error") == []
