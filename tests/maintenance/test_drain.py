"""The drain of a maintenance window: the commands of an operator wait for three instances on one PostgreSQL."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from support.applications import add_controller
from support.database_server import Database
from support.instances import SERVICE_CONTEXT, connect_to, serve_instances
from support.postgres import Postgres
from support.report import note
from support.service import Commands, Service
from support.template import Generate
from support.waiting import wait_until

POLL = 0.1  # seconds, MAINTENANCE_POLL_SECONDS
NOT_DRAINED = 3
GATES = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE '% gate'"
CLOSED_GATES = GATES.replace(" gate", " gate % draining %")


@dataclass(frozen=True)
class Scene:
    """Three instances of one service, and the commands that operate it."""

    first: Service
    second: Service
    third: Service
    commands: Commands
    project: Path
    settings: dict[str, str]

    @property
    def is_active(self) -> bool:
        return bool(self.second.get(SERVICE_CONTEXT).json()["maintenance"])

    def deactivate(self) -> None:
        with connect_to(self.second.port) as (client,):
            client.set_maintenance(False)

    def quart(self, *command: str, **settings: str) -> subprocess.CompletedProcess[str]:
        return self.commands.run(self.project, "quart", *command, **{**self.settings, **settings})

    @contextmanager
    def start(self, *command: str) -> Iterator[subprocess.Popen[str]]:
        """Start a command in a new process group, as a shell does, with stderr redirected to stdout."""
        with subprocess.Popen(
            ["quart", *command],
            cwd=self.project,
            env=self.commands.environment(self.settings),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as process:
            try:
                yield process
            except BaseException:
                os.killpg(process.pid, signal.SIGKILL)  # otherwise the test would wait for its end
                raise

    @property
    def hold(self) -> Path:
        return self.project / "hold"

    @contextmanager
    def request_in_flight(self, service: Service) -> Iterator[None]:
        """A request that ends when the file `hold` has been deleted."""
        self.hold.touch()
        begun = service.output.count("begun")
        with ThreadPoolExecutor() as pool:
            answer = pool.submit(service.get, "/slow/request")
            try:
                wait_until(lambda: service.output.count("begun") > begun)
                yield
            finally:
                self.hold.unlink(missing_ok=True)
                answer.exception()


def read_until(process: subprocess.Popen[str], sentence: str) -> None:
    if process.stdout is None:
        raise TypeError("The process needs pipes")
    lines = iter(process.stdout.readline, "")
    assert any(sentence in line for line in lines)


@pytest.fixture(name="instances", scope="module")
def _instances(generate: Generate, commands: Commands, postgres: Postgres) -> Iterator[Scene]:
    project = generate()
    add_controller(project, "slow")
    uri = postgres.create_database()
    settings = {"SQLALCHEMY_DATABASE_URI": uri, "APP_ENV": "development", "MAINTENANCE_POLL_SECONDS": str(POLL)}
    with serve_instances(commands, project, *[settings] * 3) as (first, second, third):
        wait_until(lambda: Database(commands, uri).query(GATES) == "3")
        yield Scene(first, second, third, commands, project, settings)


@pytest.fixture(name="scene")
def _scene(instances: Scene) -> Iterator[Scene]:
    yield instances
    instances.deactivate()
    database = Database(instances.commands, instances.settings["SQLALCHEMY_DATABASE_URI"])
    wait_until(lambda: database.query(CLOSED_GATES) == "0")  # an instance opens its gate before it reports that


def test_keeps_the_window_active_and_does_not_run_the_command_after_a_timeout(scene: Scene) -> None:
    with scene.request_in_flight(scene.first):
        result = scene.quart("with_maintenance_mode", "--timeout", "6", "--", "sh", "-c", "echo has run")

    assert (result.returncode, scene.is_active) == (NOT_DRAINED, True)
    assert "has run" not in result.stdout
    assert "Error: Not drained after 6 s: 1 of 3 workers draining (1 in flight), the oldest for " in result.stderr
    assert f'/{scene.first.process.pid}. The log of each says what it waits for, as "still in flight".' in result.stderr
    assert "The window stays active: " in result.stderr


def test_waits_for_background_tasks_and_websockets(scene: Scene) -> None:
    scene.hold.touch()
    with connect(scene.first.url.replace("http", "ws") + "/slow/socket", proxy=None) as socket:
        socket.send("hello")
        socket.recv(timeout=30)
        assert scene.second.get("/slow/background").status_code == 200
        with scene.start("activate_maintenance_mode", "--wait") as command:
            read_until(command, "2 of 3 workers draining (2 in flight)")
            with pytest.raises(ConnectionClosed):
                socket.recv(timeout=30)
            scene.hold.unlink()
            output, _ = command.communicate()

    assert command.returncode == 0
    assert output.endswith("Drained: nothing from before is in flight in 3 workers.\n")


def test_ends_the_window_after_a_successful_migration(scene: Scene) -> None:
    result = scene.quart(
        "with_maintenance_mode", "--duration", "30m", "quart", "db", "upgrade", "-x", "lock_timeout=60s"
    )

    assert (result.returncode, scene.is_active) == (0, False), result.stderr
    assert [line.split(".")[0] for line in result.stdout.splitlines()] == [
        "Maintenance mode is active",
        "Maintenance mode is inactive",
    ]


def test_forwards_signals_to_the_command_and_keeps_the_window_active(scene: Scene) -> None:
    script = "trap 'echo heard' INT; trap 'echo ends; exit 0' TERM; echo runs; while true; do sleep 0.1; done"
    with scene.start("with_maintenance_mode", "--", "sh", "-c", script) as command:
        read_until(command, "runs")
        os.killpg(command.pid, signal.SIGINT)  # a terminal sends Ctrl-C to the whole group
        read_until(command, "heard")
        os.kill(command.pid, signal.SIGTERM)
        output, _ = command.communicate()

    assert (command.returncode, scene.is_active) == (128 + signal.SIGINT, True)
    output = output.removeprefix("heard\n")  # twice, if its parent got Ctrl-C while it was starting
    assert output.startswith("ends\nThe command was told to stop (130). The window stays active: ")


def test_waits_until_the_last_request_has_ended(scene: Scene) -> None:
    """An instance that is killed is not waited for; this is the last test, because nobody restarts that one."""
    with (
        scene.request_in_flight(scene.first),
        scene.request_in_flight(scene.second),
        scene.start("activate_maintenance_mode", "--wait") as command,
    ):
        read_until(command, "2 of 3 workers draining (2 in flight)")
        assert scene.second.get("/health/ready").status_code == 200
        os.kill(scene.first.process.pid, signal.SIGKILL)
        read_until(command, "1 of 2 workers draining (1 in flight)")
        time.sleep(POLL + 1)  # longer than a drain takes with nothing in flight
        assert command.poll() is None
        ended = time.monotonic()
        scene.hold.unlink()
        output, _ = command.communicate()

    assert (command.returncode, output) == (0, "Drained: nothing from before is in flight in 2 workers.\n")
    note(f"window, --wait: returned {time.monotonic() - ended:.2f} s after the last request")
