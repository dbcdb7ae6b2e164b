"""Stopping a service while it works, and the exit code of a start that fails."""

import re
import signal
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import yaml
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from support.applications import add_controller
from support.crowd import Crowd
from support.environments import find_environment
from support.nightly import first_unless_nightly
from support.postgres import Postgres
from support.report import note
from support.service import FOLLOW_TIMEOUT, HYPERCORN, UNREACHABLE, Commands, Service
from support.template import Generate
from support.waiting import wait_until

pytestmark = pytest.mark.alone

GRACE = 2  # seconds: graceful_timeout in these tests
DRAIN_SECONDS = 4  # enough for each of many clients on a busy machine to get an answer
SLACK = 15  # seconds, for a busy machine
URI = "SQLALCHEMY_DATABASE_URI"
DRAIN = "SHUTDOWN_DRAIN_SECONDS"


@pytest.fixture(name="working_project", scope="module")
def _working_project(generate: Generate) -> Path:
    project = generate()
    add_controller(project, "work")
    return project


@pytest.fixture(name="uri", scope="module")
def _uri(postgres: Postgres) -> str:
    return postgres.create_database()


@pytest.fixture(name="on_python", scope="module", params=first_unless_nightly(["3.11", "3.13"]))
def _on_python(request: pytest.FixtureRequest) -> Commands:
    """The commands of a project that is installed for this Python."""
    environment = find_environment(request.param)
    if environment is None:
        pytest.skip(f"NO PYTHON {request.param} HERE: shutdown is not tested on it")
    return Commands(environment)


def hypercorn(grace: int = GRACE) -> list[str]:
    return [*HYPERCORN, "--graceful-timeout", str(grace)]


@dataclass(frozen=True)
class End:
    """The last thing a client received, and when its connection ended, in seconds of the monotonic clock."""

    last: object
    at: float


def follow_events(service: Service) -> End:
    return End(service.follow("/work/events"), time.monotonic())


def listen(service: Service) -> End:
    with (
        connect(f"ws://127.0.0.1:{service.port}/work/socket", proxy=None) as socket,
        pytest.raises(ConnectionClosed) as closed,
    ):
        socket.recv(timeout=FOLLOW_TIMEOUT)
    received = closed.value.rcvd
    return End(received and (received.code, received.reason), time.monotonic())


def begun_numbers(service: Service) -> set[int]:
    return {int(number) for number in re.findall(r"begun (\d+)", service.output)}


def tracebacks(service: Service) -> list[str]:
    return [line for line in service.output.splitlines() if re.search("traceback|exception|destroyed", line, re.I)]


def connections_at_exit(service: Service) -> list[str]:
    """For each process the connections that its pool held at exit."""
    return re.findall(r"connections at exit: (\d+)", service.output)


def test_loses_no_request_on_sigterm_under_load(on_python: Commands, working_project: Path, uri: str) -> None:
    settings = {URI: uri, DRAIN: str(DRAIN_SECONDS), "LOG_FORMAT": "json", "LOG_LEVEL": "WARNING"}
    with on_python.serve(working_project, *hypercorn(), **settings) as service, ThreadPoolExecutor() as pool:
        with Crowd.ask(service.port, "/work/short", clients=100) as crowd:
            events, socket = pool.submit(follow_events, service), pool.submit(listen, service)
            wait_until(lambda: "stream begun" in service.output and "socket begun" in service.output)
            wait_until(lambda: len(crowd.answered) > 200)
            long = pool.submit(service.get, "/work/long/1000000")
            wait_until(lambda: 1_000_000 in begun_numbers(service))
            signalled = time.monotonic()
            code = service.stop()
            seconds = time.monotonic() - signalled

        assert (crowd.unanswered, crowd.wrong) == (set(), [])
        assert begun_numbers(service) == crowd.answered | {1_000_000}
        assert long.result().status_code == 200
        assert socket.result().last == (1012, "restart")
        assert socket.result().at < events.result().at
        assert events.result().last == b"data: tick\n\n"
        assert events.result().at - signalled >= GRACE
        assert code == 0
        assert connections_at_exit(service) == ["0"]
        assert tracebacks(service) == []
        wait_until(lambda: not service.has_left_processes)
        assert seconds < DRAIN_SECONDS + GRACE + SLACK
    python = on_python.run(working_project, "python", "-V").stdout.strip()
    closed, cut = socket.result().at - signalled, events.result().at - signalled
    note(
        f"SIGTERM, {python}: {len(crowd.answered)} requests of 100 clients, none lost; "
        f"websocket closed after {closed:.1f} s, stream cut after {cut:.1f} s, gone after {seconds:.1f} s"
    )


def test_serves_a_client_that_rarely_asks_while_it_drains(working_project: Path, commands: Commands, uri: str) -> None:
    settings = {URI: uri, DRAIN: "60", "LOG_FORMAT": "json"}
    with commands.serve(working_project, *hypercorn(), **settings) as service:
        time.sleep(1.5)
        service.process.send_signal(signal.SIGTERM)
        time.sleep(1.5)

        assert service.get("/work/short/1").status_code == 200
        assert service.get("/health/ready").status_code == 503
        with pytest.raises(InvalidStatus) as refused:
            connect(f"ws://127.0.0.1:{service.port}/work/socket", proxy=None)
        assert refused.value.response.status_code == 503
        assert [event["status"] for event in service.wait_for_events(path="/work/socket")] == [503]
        assert service.stop(signal.SIGINT) == 0  # Ctrl-C ends the drain


@pytest.mark.parametrize("worker_class", first_unless_nightly(["uvloop", "asyncio"]))
def test_stops_without_waiting_for_an_open_websocket(
    worker_class: str, working_project: Path, commands: Commands, uri: str
) -> None:
    words = [*hypercorn(grace=60), "--worker-class", worker_class]
    settings = {URI: uri, DRAIN: "1"}
    with commands.serve(working_project, *words, **settings) as service, ThreadPoolExecutor() as pool:
        socket = pool.submit(listen, service)
        wait_until(lambda: "socket begun" in service.output)

        assert service.stop() == 0  # otherwise it would be killed after 30 s
        assert socket.result().last == (1012, "restart")
        assert tracebacks(service) == []


def test_answers_requests_in_flight_but_no_new_ones_without_draining(
    working_project: Path, commands: Commands, uri: str
) -> None:
    hold = working_project / "hold"
    hold.touch()
    words, settings = hypercorn(grace=25), {URI: uri, DRAIN: "0"}
    with commands.serve(working_project, *words, **settings) as service, ThreadPoolExecutor() as pool:
        held = pool.submit(service.get, "/work/held/1")
        wait_until(lambda: 1 in begun_numbers(service))
        service.process.send_signal(signal.SIGTERM)
        wait_until(lambda: is_refusing_connections(service))

        assert not held.done()
        hold.unlink()
        assert held.result().status_code == 200
        assert service.wait_for_exit() == 0


def is_refusing_connections(service: Service) -> bool:
    try:
        httpx.get(f"{service.url}/health/live", trust_env=False)
    except httpx.ConnectError:
        return True
    except httpx.TransportError:  # the client connected before the service stopped listening
        pass
    return False


FAILURES = {
    "START_FAILS": "it cannot start",
    "IMPORT_FAILS": "nothing of that name",
    "LOG_LEVEL": "Error: LOG_LEVEL",
}


@pytest.mark.parametrize(("setting", "reason"), FAILURES.items())
def test_exits_with_1_and_the_reason_if_the_start_fails(
    setting: str, reason: str, working_project: Path, commands: Commands
) -> None:
    result = commands.run(working_project, *hypercorn(), **{URI: UNREACHABLE, setting: "yes"})

    assert result.returncode == 1
    assert reason in result.stderr


def test_containers_may_take_as_long_to_stop_as_the_settings_allow(project: Path) -> None:
    server = tomllib.loads((project / "hypercorn.toml").read_text(encoding="utf-8"))
    drain = re.search(r"^SHUTDOWN_DRAIN_SECONDS=(\d+)", (project / ".env.example").read_text(encoding="utf-8"), re.M)
    compose = yaml.safe_load((project / "docker-compose.yml").read_text(encoding="utf-8"))

    assert drain
    needed = int(drain[1]) + int(server["graceful_timeout"])
    assert needed < int(compose["services"]["service"]["stop_grace_period"].removesuffix("s"))
    for name in ("Dockerfile", "README.md"):
        assert needed < int(re.findall(r"--time (\d+)", (project / name).read_text(encoding="utf-8"))[0])
