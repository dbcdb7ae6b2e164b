"""What a signal does to a service in the middle of its work, and what a failed start says to whoever began it."""

import os
import re
import signal
import subprocess
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import yaml
from conftest import Generate, environment_on, note
from crowd import Crowd
from service import HYPERCORN, UNREACHABLE, Commands, Postgres, Service
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from workers import until

pytest_plugins = ["service"]
pytestmark = pytest.mark.alone

GRACE = 2  # seconds: graceful_timeout in these tests
DRAINING = 4  # seconds, in which each of many clients of a busy machine gets an answer
SLOWNESS = 15  # seconds that a busy machine may need on top
WORKERS = [0, 1, 2]
URI = "SQLALCHEMY_DATABASE_URI"
DRAIN = "SHUTDOWN_DRAIN_SECONDS"

CONTROLLER = """
import asyncio
import atexit
import os
from collections.abc import AsyncGenerator, Awaitable
from pathlib import Path

from quart import Blueprint, current_app, websocket

blueprint = Blueprint("work", __name__, url_prefix="/work")

if "IMPORT_FAILS" in os.environ:
    raise ImportError("nothing of that name")


async def work(number: int, until: Awaitable[None]) -> dict[str, int]:
    print(f"begun {number}\\n", end="", flush=True)  # one write, as other workers write, too
    await until
    return {"todos": await current_app.container.todo_repository().count({})}


@blueprint.get("/short/<int:number>")
async def short(number: int) -> dict[str, int]:
    return await work(number, asyncio.sleep(0.05))


@blueprint.get("/long/<int:number>")
async def long(number: int) -> dict[str, int]:
    return await work(number, asyncio.sleep(2))


async def let_go() -> None:
    while Path("hold").exists():
        await asyncio.sleep(0.02)


@blueprint.get("/held/<int:number>")
async def held(number: int) -> dict[str, int]:
    return await work(number, let_go())


@blueprint.get("/events")
async def events() -> tuple[AsyncGenerator[bytes, None], dict[str, str]]:
    async def stream() -> AsyncGenerator[bytes, None]:
        print("stream begun", flush=True)
        while True:
            yield b"data: tick\\n\\n"
            await asyncio.sleep(0.1)

    return stream(), {"Content-Type": "text/event-stream"}


@blueprint.websocket("/socket")
async def socket() -> None:
    print("socket begun", flush=True)
    while True:
        await websocket.send(await websocket.receive())


@blueprint.record
def watch(state) -> None:
    engine = state.app.container.database().engine
    atexit.register(lambda: print(f"connections in the end: {engine.pool.checkedin()}\\n", end="", flush=True))

    @state.app.before_serving
    async def fail() -> None:
        if "START_FAILS" in os.environ:
            raise RuntimeError("it cannot start")
        if "START_FAILS_ONCE" in os.environ:
            Path(os.environ["START_FAILS_ONCE"]).unlink()
"""


@pytest.fixture(name="working_project", scope="module")
def _working_project(generate: Generate) -> Path:
    project = generate()
    (project / "src" / "api" / "controllers" / "work.py").write_text(CONTROLLER, encoding="utf-8")
    return project


@pytest.fixture(name="uri", scope="module")
def _uri(postgres: Postgres) -> str:
    return postgres.create()


@pytest.fixture(name="on_python", scope="module", params=["3.11", "3.13"])
def _on_python(request: pytest.FixtureRequest) -> Commands:
    """The commands of a project that is installed with this Python."""
    environment = environment_on(request.param)
    if environment is None:
        pytest.skip(f"NO PYTHON {request.param} HERE: how a service stops is not tested on it")
    return Commands(environment)


def hypercorn(workers: int, grace: int = GRACE) -> list[str]:
    return [*HYPERCORN, "--workers", str(workers), "--graceful-timeout", str(grace)]


@dataclass(frozen=True)
class Ending:
    """How and when (seconds of the monotonic clock) something came to its end."""

    what: object
    at: float


def follow_events(service: Service) -> Ending:
    seen = b""
    try:
        with httpx.stream("GET", f"{service.url}/work/events", trust_env=False, timeout=30) as response:
            for chunk in response.iter_raw():
                seen = chunk
    except httpx.RemoteProtocolError:  # it was cut: there is no last chunk
        pass
    return Ending(seen, time.monotonic())


def listen(service: Service) -> Ending:
    with (
        connect(f"ws://127.0.0.1:{service.port}/work/socket", proxy=None) as socket,
        pytest.raises(ConnectionClosed) as closed,
    ):
        socket.recv()
    received = closed.value.rcvd
    return Ending(received and (received.code, received.reason), time.monotonic())


def begun(service: Service) -> set[int]:
    return {int(number) for number in re.findall(r"begun (\d+)", service.output)}


def tracebacks(service: Service) -> list[str]:
    return [line for line in service.output.splitlines() if re.search("traceback|exception|destroyed", line, re.I)]


def connections(service: Service) -> list[str]:
    """In the pool of each process at its end."""
    return re.findall(r"connections in the end: (\d+)", service.output)


@pytest.mark.parametrize("workers", WORKERS)
def test_under_load_sigterm_loses_no_request(
    workers: int, on_python: Commands, working_project: Path, uri: str
) -> None:
    settings = {URI: uri, DRAIN: str(DRAINING), "LOG_FORMAT": "json", "LOG_LEVEL": "WARNING"}
    with on_python.serving(working_project, *hypercorn(workers), **settings) as service, ThreadPoolExecutor() as pool:
        with Crowd.asking(service.port, "/work/short", clients=100) as crowd:
            events, socket = pool.submit(follow_events, service), pool.submit(listen, service)
            until(lambda: "stream begun" in service.output and "socket begun" in service.output)
            until(lambda: len(crowd.answered) > 200)
            long = pool.submit(service.get, "/work/long/1000000")
            until(lambda: 1_000_000 in begun(service))
            told = time.monotonic()
            code = service.stop()
            seconds = time.monotonic() - told

        assert (crowd.unanswered, crowd.wrong) == (set(), [])
        assert begun(service) == crowd.answered | {1_000_000}
        assert long.result().status_code == 200
        assert socket.result().what == (1012, "restart")
        assert socket.result().at < events.result().at
        assert events.result().what == b"data: tick\n\n"
        assert events.result().at - told >= GRACE
        assert code == 0
        assert connections(service) == ["0"] * max(workers, 1)
        assert tracebacks(service) == []
        until(lambda: not service.left_something)
        assert seconds < DRAINING + GRACE + SLOWNESS
    python = on_python.run(working_project, "python", "-V").stdout.strip()
    closed, cut = socket.result().at - told, events.result().at - told
    note(
        f"SIGTERM, workers = {workers}, {python}: {len(crowd.answered)} requests of 100 clients, none lost; "
        f"websocket closed after {closed:.1f} s, stream cut after {cut:.1f} s, gone after {seconds:.1f} s"
    )


def test_who_asks_rarely_is_served_while_it_drains(working_project: Path, commands: Commands, uri: str) -> None:
    settings = {URI: uri, DRAIN: "60", "LOG_FORMAT": "json"}
    with commands.serving(working_project, *hypercorn(0), **settings) as service:
        time.sleep(1.5)
        service.process.send_signal(signal.SIGTERM)
        time.sleep(1.5)

        assert service.get("/work/short/1").status_code == 200
        assert service.get("/health/ready").status_code == 503
        with pytest.raises(InvalidStatus) as refused:
            connect(f"ws://127.0.0.1:{service.port}/work/socket", proxy=None)
        assert refused.value.response.status_code == 503
        assert [event["status"] for event in service.awaited(path="/work/socket")] == [503]
        assert service.stop(signal.SIGINT) == 0  # Ctrl-C does not wait for the minute


@pytest.mark.parametrize("worker_class", ["uvloop", "asyncio"])
def test_a_websocket_does_not_delay_the_end(
    worker_class: str, working_project: Path, commands: Commands, uri: str
) -> None:
    words = [*hypercorn(0, grace=60), "--worker-class", worker_class]
    settings = {URI: uri, DRAIN: "1"}
    with commands.serving(working_project, *words, **settings) as service, ThreadPoolExecutor() as pool:
        socket = pool.submit(listen, service)
        until(lambda: "socket begun" in service.output)

        assert service.stop() == 0  # and not killed after 30 s
        assert socket.result().what == (1012, "restart")
        assert tracebacks(service) == []


def test_a_signal_to_the_whole_process_group_cuts_nothing(working_project: Path, commands: Commands, uri: str) -> None:
    """As systemd sends it."""
    with (
        commands.serving(working_project, *hypercorn(2, grace=25), **{URI: uri, DRAIN: "1"}) as service,
        ThreadPoolExecutor(8) as pool,
    ):
        answers = [pool.submit(service.get, f"/work/long/{number}") for number in range(8)]
        until(lambda: len(begun(service)) == 8)
        os.killpg(service.process.pid, signal.SIGTERM)

        assert {answer.result().status_code for answer in answers} == {200}
        assert service.ended() == 0


def test_without_draining_what_is_in_flight_is_answered_and_nothing_else(
    working_project: Path, commands: Commands, uri: str
) -> None:
    hold = working_project / "hold"
    hold.touch()
    words, settings = hypercorn(0, grace=25), {URI: uri, DRAIN: "0"}
    with commands.serving(working_project, *words, **settings) as service, ThreadPoolExecutor() as pool:
        held = pool.submit(service.get, "/work/held/1")
        until(lambda: 1 in begun(service))
        service.process.send_signal(signal.SIGTERM)
        until(lambda: refuses(service))

        assert not held.done()
        hold.unlink()
        assert held.result().status_code == 200
        assert service.ended() == 0


def refuses(service: Service) -> bool:
    try:
        httpx.get(f"{service.url}/health/live", trust_env=False)
    except httpx.ConnectError:
        return True
    except httpx.TransportError:  # it connected before the service stopped listening
        pass
    return False


FAILURES = [(0, "START_FAILS"), (1, "START_FAILS"), (1, "LOG_LEVEL"), (2, "START_FAILS"), (2, "IMPORT_FAILS")]


@pytest.fixture(name="failures", scope="module")
def _failures(working_project: Path, commands: Commands) -> dict[tuple[int, str], subprocess.CompletedProcess[str]]:
    def start(row: tuple[int, str]) -> subprocess.CompletedProcess[str]:
        workers, setting = row
        return commands.run(working_project, *hypercorn(workers), **{URI: UNREACHABLE, setting: "yes"})

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(FAILURES, pool.map(start, FAILURES), strict=True))


@pytest.mark.parametrize(("workers", "setting"), FAILURES)
def test_a_failed_start_does_not_exit_with_0(
    workers: int, setting: str, failures: dict[tuple[int, str], subprocess.CompletedProcess[str]]
) -> None:
    result = failures[workers, setting]

    assert result.returncode == (-signal.SIGUSR1 if workers else 1)
    reason = {"LOG_LEVEL": "Error: LOG_LEVEL", "IMPORT_FAILS": "nothing of that name", "START_FAILS": "it cannot start"}
    assert reason[setting] in result.stderr


def test_where_one_of_two_workers_fails_to_start_both_end(
    working_project: Path, commands: Commands, uri: str, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.touch()
    settings = {URI: uri, "START_FAILS_ONCE": str(token)}

    result = commands.run(working_project, *hypercorn(2), **settings)  # returns when nobody writes any more

    assert result.returncode == -signal.SIGUSR1
    assert re.findall(r"connections in the end: (\d+)", result.stdout) == ["0", "0"]


def test_workers_stop_when_their_master_is_killed(working_project: Path, commands: Commands, uri: str) -> None:
    with commands.serving(working_project, *hypercorn(2), SQLALCHEMY_DATABASE_URI=uri) as service:
        assert service.get("/work/short/1").status_code == 200
        service.process.kill()

        until(lambda: connections(service) == ["0", "0"])


def test_a_container_is_given_the_time_that_it_may_need(project: Path) -> None:
    server = tomllib.loads((project / "hypercorn.toml").read_text(encoding="utf-8"))
    drain = re.search(r"^SHUTDOWN_DRAIN_SECONDS=(\d+)", (project / ".env.example").read_text(encoding="utf-8"), re.M)
    compose = yaml.safe_load((project / "docker-compose.yml").read_text(encoding="utf-8"))

    assert drain
    needed = int(drain[1]) + int(server["graceful_timeout"])
    assert needed < int(compose["services"]["service"]["stop_grace_period"].removesuffix("s"))
    for name in ("Dockerfile", "README.md"):
        assert needed < int(re.findall(r"--time (\d+)", (project / name).read_text(encoding="utf-8"))[0])
