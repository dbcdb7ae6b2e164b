"""The other servers of docs/servers.md serve the same application, and differ from Hypercorn as the page says."""

import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from socket import create_connection, socket

import pytest
from websockets.sync.client import connect

from support.applications import add_controller
from support.crowd import Crowd
from support.instances import connect_to
from support.pages import blocks
from support.postgres import Postgres
from support.raw_http import HTTP_2_PREFACE, encode, receive_head, statuses
from support.service import UNREACHABLE, Commands, Service
from support.template import ROOT, Generate
from support.waiting import wait_until

PAGE = ROOT / "docs" / "servers.md"
COMMAND = re.compile(r"^(?:uvicorn|granian) .+$", re.MULTILINE)
URI = "SQLALCHEMY_DATABASE_URI"
DRAIN_SECONDS = 3
# Shorter than on the page: how long granian waits for headers, and the end of the grace period of both.
TIMES = {"5000": "1000", "20": "1", "30": str(DRAIN_SECONDS + 1)}
SILENT_SECONDS = 2.5
FAILURES = {"START_FAILS": "yes", URI: "redis://host/1"}
EXIT_CODES = {"uvicorn": [3, 1], "granian": [1, 1]}


def adapt(command: str) -> str:
    return command.replace("0.0.0.0", "127.0.0.1").replace("7000", "{port}")  # noqa: S104


SERVERS = {
    command.split()[0]: [TIMES.get(word, word) for word in adapt(command).split()]
    for block in blocks(PAGE)
    if block.language == "sh"
    for command in COMMAND.findall(block.text.replace("\\\n", " "))
}


@dataclass(frozen=True)
class Running:
    """A server, and a client that has connected to it at its start and says nothing."""

    name: str
    service: Service
    silent: socket
    connected: float


@pytest.fixture(name="working_project", scope="module")
def _working_project(generate: Generate) -> Path:
    project = generate()
    add_controller(project, "work")
    return project


@pytest.fixture(name="running", scope="module", params=SERVERS)
def _running(
    request: pytest.FixtureRequest, working_project: Path, commands: Commands, server_packages: Path, postgres: Postgres
) -> Iterator[Running]:
    settings = {
        URI: postgres.create_database(),
        "LOG_FORMAT": "json",
        "SHUTDOWN_DRAIN_SECONDS": str(DRAIN_SECONDS),
        "PYTHONPATH": str(server_packages),
    }
    with (
        commands.serve(working_project, "python", "-m", *SERVERS[request.param], **settings) as service,
        create_connection(("127.0.0.1", service.port)) as silent,
    ):
        yield Running(request.param, service, silent, time.monotonic())


def test_answers_503_during_a_maintenance_window_and_serves_afterwards(running: Running) -> None:
    call = ("GET", "/v1/todo", None)
    with connect_to(running.service.port) as (client,):
        before = client.ask(call)
        activated = client.set_maintenance(active=True)
        during = client.ask(call)
        deactivated = client.set_maintenance(active=False)
        after = client.ask(call)

    assert [status for status, _ in (before, activated, during, deactivated, after)] == [200, 200, 503, 200, 200]


def test_serves_websockets(running: Running) -> None:
    with connect(f"ws://127.0.0.1:{running.service.port}/work/socket", proxy=None) as websocket:
        websocket.send("a")

        assert websocket.recv(timeout=30) == "a"


def test_logs_a_request_once_in_the_format_of_the_application_and_itself_in_its_own(running: Running) -> None:
    path = "/v1/todo/424242"
    running.service.get(path)

    (event,) = running.service.wait_for_events(path=path, event="request")
    own_line = {"uvicorn": "INFO:     Uvicorn running on", "granian": "[INFO] Listening at"}[running.name]
    assert own_line in running.service.output
    assert event["status"] == 404
    assert running.service.output.count(path) == len(running.service.events(path=path))


def test_only_granian_has_a_worker_process(running: Running) -> None:
    pid = running.service.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()

    assert len(children) == {"uvicorn": 0, "granian": 1}[running.name]


def test_only_granian_names_itself_in_responses(running: Running) -> None:
    assert running.service.get("/health/live").headers.get("Server") == {"granian": "granian"}.get(running.name)


@pytest.mark.parametrize("begin", [HTTP_2_PREFACE, encode("GET /health/live", "Upgrade: h2c", "Connection: Upgrade")])
def test_speaks_no_http_2(begin: bytes, running: Running) -> None:
    with create_connection(("127.0.0.1", running.service.port), timeout=30) as client:
        client.sendall(begin)
        answer = receive_head(client)

    assert statuses(answer) in ([200], [400], [])
    assert b"\0\0" not in answer  # which every frame has


def test_only_granian_ends_a_connection_on_which_no_request_arrives(running: Running) -> None:
    running.silent.settimeout(max(0.1, running.connected + SILENT_SECONDS - time.monotonic()))
    try:
        has_ended = running.silent.recv(1) == b""
    except TimeoutError:
        has_ended = False

    assert has_ended == (running.name == "granian")


def test_drains_on_sigterm_without_a_failed_request_and_cuts_off_a_stream(running: Running) -> None:
    service = running.service
    with Crowd.ask(service.port, "/work/short", clients=20) as crowd, ThreadPoolExecutor() as pool:
        stream = pool.submit(service.follow, "/work/events")
        wait_until(lambda: "stream begun" in service.output and len(crowd.answered) > 50)
        before = len(crowd.answered)
        stopped = pool.submit(service.stop)
        wait_until(lambda: service.get("/health/ready").status_code == 503)
        code = stopped.result()

    assert (crowd.unanswered, crowd.wrong) == (set(), [])
    assert len(crowd.answered) > before
    assert stream.result() == b"data: tick\n\n"
    assert code == 0
    assert not service.has_left_processes


@pytest.mark.parametrize("name", SERVERS)
def test_exits_with_an_error_if_the_application_or_its_settings_fail(
    name: str, working_project: Path, commands: Commands, server_packages: Path
) -> None:
    def start(setting: str) -> int:
        settings = {URI: UNREACHABLE, "PYTHONPATH": str(server_packages), setting: FAILURES[setting]}
        return commands.run(working_project, "python", "-m", *SERVERS[name], **settings).returncode

    with ThreadPoolExecutor(len(FAILURES)) as pool:
        assert list(pool.map(start, FAILURES)) == EXIT_CODES[name]
