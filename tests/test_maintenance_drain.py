"""A window that knows when it is quiet: three workers on one PostgreSQL, and the commands of an operator."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import Generate, note
from database_server import Database
from service import HYPERCORN, Commands, Postgres, Service
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from workers import OFF, ON, SWITCH, connected, until

pytest_plugins = ["service", "database_server"]

POLL = 0.1  # seconds, MAINTENANCE_POLL_SECONDS
NOT_DRAINED = 3
GATES = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE '% gate'"
CLOSED = GATES.replace(" gate", " gate % draining %")
# What is in flight there ends when the file `hold` is gone.
CONTROLLER = """
import asyncio
from pathlib import Path

from quart import Blueprint, current_app, websocket

blueprint = Blueprint("slow", __name__, url_prefix="/slow")


async def work() -> None:
    while Path("hold").exists():
        await asyncio.sleep(0.02)


@blueprint.get("/request")
async def request() -> dict[str, int]:
    print("begun", flush=True)
    await work()
    return {}


@blueprint.get("/background")
async def background() -> dict[str, int]:
    current_app.add_background_task(work)
    return {}


@blueprint.websocket("/socket")
async def socket() -> None:
    try:
        while True:
            await websocket.send(await websocket.receive())
    finally:
        await work()
"""


@dataclass(frozen=True)
class Scene:
    one: Service  # of one worker
    two: Service  # of two
    commands: Commands
    project: Path
    settings: dict[str, str]

    @property
    def closed(self) -> bool:
        return bool(self.two.get(SWITCH).json()["maintenance"])

    def switch(self, on: bool) -> None:
        with connected(self.two.port) as (worker,):
            worker.ask(("PATCH", SWITCH, ON if on else OFF))

    def quart(self, *command: str, **settings: str) -> subprocess.CompletedProcess[str]:
        return self.commands.run(self.project, "quart", *command, **{**self.settings, **settings})

    @contextmanager
    def started(self, *command: str) -> Iterator[subprocess.Popen[str]]:
        """In a process group of its own, as a shell starts it; stdout and stderr are one."""
        with subprocess.Popen(
            ["quart", *command],
            cwd=self.project,
            env=self.commands.environment(self.settings),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as process:
            yield process

    @property
    def hold(self) -> Path:
        return self.project / "hold"

    @contextmanager
    def in_flight(self, service: Service) -> Iterator[None]:
        """A request that ends when `hold` is gone."""
        self.hold.touch()
        begun = service.output.count("begun")
        with ThreadPoolExecutor() as pool:
            answer = pool.submit(service.get, "/slow/request")
            try:
                until(lambda: service.output.count("begun") > begun)
                yield
            finally:
                self.hold.unlink(missing_ok=True)
                answer.exception()


def read_until(process: subprocess.Popen[str], sentence: str) -> None:
    if process.stdout is None:
        raise TypeError("The process needs pipes")
    lines = iter(process.stdout.readline, "")
    assert any(sentence in line for line in lines)


@pytest.fixture(name="running", scope="module")
def _running(generate: Generate, commands: Commands, postgres: Postgres) -> Iterator[Scene]:
    project = generate()
    (project / "src" / "api" / "controllers" / "slow.py").write_text(CONTROLLER, encoding="utf-8")
    uri = postgres.create()
    settings = {"SQLALCHEMY_DATABASE_URI": uri, "APP_ENV": "development", "MAINTENANCE_POLL_SECONDS": str(POLL)}
    with ExitStack() as stack:
        starting = [
            commands.serving(project, *HYPERCORN, "--workers", workers, **settings)  # 0: without a process of its own
            for workers in ("0", "2")
        ]
        with ThreadPoolExecutor() as pool:
            one, two = pool.map(stack.enter_context, starting)
        until(lambda: Database(commands, uri).query(GATES) == "3")
        yield Scene(one, two, commands, project, settings)


@pytest.fixture(name="scene")
def _scene(running: Scene) -> Iterator[Scene]:
    yield running
    running.switch(False)
    database = Database(running.commands, running.settings["SQLALCHEMY_DATABASE_URI"])
    until(lambda: database.query(CLOSED) == "0")  # a worker has opened before it says so


def test_what_does_not_end_in_time_leaves_the_window_closed_and_the_command_not_run(scene: Scene) -> None:
    with scene.in_flight(scene.one):
        result = scene.quart("with_maintenance_mode", "--timeout", "6", "--", "sh", "-c", "echo has run")

    assert (result.returncode, scene.closed) == (NOT_DRAINED, True)
    assert "has run" not in result.stdout
    assert "Error: Not drained: 1 of 3 workers draining (1 in flight) after 6 s: " in result.stderr
    assert f"/{scene.one.process.pid}. The window stays closed: " in result.stderr


def test_a_background_task_and_a_socket_are_waited_for(scene: Scene) -> None:
    scene.hold.touch()
    with connect(scene.one.url.replace("http", "ws") + "/slow/socket", proxy=None) as socket:
        socket.send("hello")
        socket.recv()
        assert scene.two.get("/slow/background").status_code == 200
        with scene.started("activate_maintenance_mode", "--wait") as command:
            read_until(command, "2 of 3 workers draining (2 in flight)")
            with pytest.raises(ConnectionClosed):
                socket.recv(timeout=30)
            scene.hold.unlink()
            output, _ = command.communicate()

    assert command.returncode == 0
    assert output.endswith("Drained: nothing from before is in flight in 3 workers.\n")


def test_the_window_opens_after_a_migration_that_succeeded(scene: Scene) -> None:
    result = scene.quart(
        "with_maintenance_mode", "--duration", "30m", "quart", "db", "upgrade", "-x", "lock_timeout=60s"
    )

    assert (result.returncode, scene.closed) == (0, False), result.stderr
    assert [line.split(".")[0] for line in result.stdout.splitlines()] == [
        "Maintenance mode is active",
        "Maintenance mode is inactive",
    ]


def test_signals_are_for_the_command_and_leave_the_window_closed(scene: Scene) -> None:
    script = "trap 'echo heard' INT; trap 'echo ends; exit 0' TERM; echo runs; while true; do sleep 0.1; done"
    with scene.started("with_maintenance_mode", "--", "sh", "-c", script) as command:
        read_until(command, "runs")
        os.killpg(command.pid, signal.SIGINT)  # Ctrl-C of a terminal is for the whole group
        read_until(command, "heard")
        os.kill(command.pid, signal.SIGTERM)
        output, _ = command.communicate()

    assert (command.returncode, scene.closed) == (128 + signal.SIGINT, True)
    assert output.startswith("ends\nThe command was told to stop (130). The window stays closed: ")


def test_the_command_returns_when_the_last_request_has_ended_and_not_before(scene: Scene) -> None:
    """Last, as nobody starts again the worker that is killed on the way, which is not waited for."""
    with (
        scene.in_flight(scene.one),
        scene.in_flight(scene.two),
        scene.started("activate_maintenance_mode", "--wait") as command,
    ):
        read_until(command, "2 of 3 workers draining (2 in flight)")
        assert scene.two.get("/health/ready").status_code == 200
        os.kill(scene.one.process.pid, signal.SIGKILL)
        read_until(command, "1 of 2 workers draining (1 in flight)")
        time.sleep(POLL + 1)  # longer than it takes with nothing in flight
        assert command.poll() is None
        ended = time.monotonic()
        scene.hold.unlink()
        output, _ = command.communicate()

    assert (command.returncode, output) == (0, "Drained: nothing from before is in flight in 2 workers.\n")
    note(f"window, --wait: returned {time.monotonic() - ended:.2f} s after the last request")
