"""The maintenance window of an instance whose database, or whose network, fails.

The instance under test, with its gate open or closed, reaches the database through a proxy.
Another one, which does not, switches the window.
"""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from subprocess import CompletedProcess
from typing import Self

import pytest

from support.database_server import Database, Server
from support.faults import Proxy
from support.instances import (
    SERVICE_CONTEXT,
    STATUS,
    Call,
    InstanceClient,
    connect_to,
    generate_with_instance_controller,
    serve_instances,
)
from support.report import note
from support.service import Commands
from support.template import Generate
from support.waiting import wait_until

pytestmark = pytest.mark.alone

NAME = "proxied"
PATIENCE = {"DATABASE_CONNECT_TIMEOUT": "2", "DATABASE_STATEMENT_TIMEOUT": "1"}  # seconds
SETTINGS = {"APP_ENV": "development", **PATIENCE}
POLL = 2.0  # seconds, MAINTENANCE_POLL_SECONDS
SLACK = 5.0  # seconds, for a busy machine
FOLLOWS = 3.0 + SLACK  # at the latest after the next poll
NOTICES = 10.0  # seconds, for an instance that polls every 30
JSON = {"Content-Type": "application/json"}
CONTEXT: Call = ("GET", SERVICE_CONTEXT, None)
READY: Call = ("GET", "/health/ready", None)
LIVE: Call = ("GET", "/health/live", None)
POLLS_RARELY = {"SERVICE_NAME": "rarely", "MAINTENANCE_POLL_SECONDS": "30"}
GATES = f"SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE '{NAME} gate%'"  # noqa: S608
CONNECTIONS = GATES.replace(" gate", "")
# Terminates the connection of the watcher again and again, each time after it has read the state, so that it
# has recovered.
KILL_GATES = f"""
SET statement_timeout = '120s';
DO $$
DECLARE gate integer; killed integer[] := '{{0}}';
BEGIN
  WHILE cardinality(killed) <= %d LOOP
    PERFORM pg_stat_clear_snapshot(), pg_sleep(0.005);
    SELECT pid INTO gate FROM pg_stat_activity WHERE application_name LIKE '{NAME} gate%%'
      AND state = 'idle' AND query ~ 'to_jsonb|set_config' AND pid <> ALL (killed);
    IF FOUND THEN
      PERFORM pg_terminate_backend(gate);
      killed := killed || gate;
    END IF;
  END LOOP;
END $$
"""  # noqa: S608


@dataclass(frozen=True)
class Scene:
    """Two instances of one service; `instance` and `operator` are connections to the one under test."""

    instance: InstanceClient
    operator: InstanceClient
    other: InstanceClient
    proxy: Proxy
    database: Database
    commands: Commands
    project: Path

    @property
    def swapped(self) -> Self:
        """The same with swapped roles: the instance under test polls so rarely that it depends on notifications."""
        return replace(self, instance=self.other, other=self.operator)

    def switch_and_wait(self, active: bool) -> float:
        """Send a PATCH to the other instance; return after how many seconds the one under test has followed."""
        started = time.monotonic()
        status, body = self.other.set_maintenance(active)
        if status != 200:
            raise RuntimeError(body)
        wait_until(lambda: self.instance.is_refused is active)
        return time.monotonic() - started

    def run_command(self, active: bool) -> CompletedProcess[str]:
        """Switch on the command line, through the proxy."""
        name = "activate_maintenance_mode" if active else "deactivate_maintenance_mode"
        uri = {"SQLALCHEMY_DATABASE_URI": self.proxy.uri}
        return self.commands.run(self.project, "quart", name, **uri, **PATIENCE)

    def assert_cannot_switch(self, active: bool) -> float:
        """Try to switch with a request and a command at once; return after how many seconds the request failed."""
        with ThreadPoolExecutor() as pool:
            command = pool.submit(self.run_command, active)
            started = time.monotonic()
            status, problem = self.operator.set_maintenance(active)
            seconds = time.monotonic() - started
        assert (status, problem["status"]) == (503, 503)
        assert command.result().returncode == 1
        assert len(command.result().stderr.splitlines()) == 1
        return seconds

    def read_state(self) -> tuple[bool, bool]:
        """Ask the instance under test whether the window is active, and whether that answer is stale."""
        _, body = self.instance.ask(CONTEXT)
        return body["maintenance"], body["stale"]

    def recover(self) -> None:
        self.proxy.accept()
        wait_until(lambda: self.database.query(GATES) == "1")
        wait_until(lambda: not self.read_state()[1])
        self.switch_and_wait(False)


@pytest.fixture(name="scene", scope="module")
def _scene(generate: Generate, commands: Commands, server: Server) -> Iterator[Scene]:
    project = generate_with_instance_controller(generate)
    with Proxy.run(server.uri) as proxy:
        proxied = {**SETTINGS, "SERVICE_NAME": NAME, "SQLALCHEMY_DATABASE_URI": proxy.uri}
        direct = {**SETTINGS, **POLLS_RARELY, "SQLALCHEMY_DATABASE_URI": server.uri}
        with (
            serve_instances(commands, project, proxied, direct) as (service, direct_service),
            connect_to(service.port, service.port, direct_service.port) as (instance, operator, elsewhere),
        ):
            database = Database(commands, server.uri)
            yield Scene(instance, operator, elsewhere, proxy, database, commands, project)


@pytest.fixture(name="closed", params=[False, True], ids=["open", "closed"])
def _closed(request: pytest.FixtureRequest, scene: Scene) -> Iterator[bool]:
    """The gate of the instance under test when the fault begins; there is a connection in its pool."""
    scene.switch_and_wait(request.param)
    scene.instance.ask(CONTEXT)
    yield request.param
    scene.recover()


def note_measurement(closed: bool, what: str, seconds: float) -> None:
    note(f"window, {'closed' if closed else 'open'} gate: {what} {seconds:.2f} s")


def test_an_instance_that_answers_a_switch_needs_no_notification(scene: Scene, closed: bool) -> None:
    scene.proxy.lose_notifications()

    status, _ = scene.operator.set_maintenance(not closed)

    assert (status, scene.instance.is_refused) == (200, not closed)


def test_polling_makes_up_for_a_lost_notification(scene: Scene, closed: bool) -> None:
    scene.proxy.lose_notifications()

    seconds = scene.switch_and_wait(not closed)

    note_measurement(closed, "followed a lost notification after", seconds)
    assert seconds < FOLLOWS


def test_replaces_a_killed_connection_at_once(scene: Scene, closed: bool) -> None:
    rare, kill = scene.swapped, KILL_GATES.replace(NAME, POLLS_RARELY["SERVICE_NAME"]) % 1
    scene.database.query(kill)
    seconds = rare.switch_and_wait(not closed)
    again = rare.switch_and_wait(closed)  # over the new connection
    scene.database.query(kill)
    status, _ = rare.instance.set_maintenance(not closed)

    note_measurement(closed, "with its connection killed, followed after", seconds)
    assert max(seconds, again) < NOTICES
    assert (status, rare.instance.is_refused) == (200, not closed)


def test_detects_and_replaces_a_half_open_connection(scene: Scene, closed: bool) -> None:
    scene.proxy.silence()

    seconds = scene.switch_and_wait(not closed)

    note_measurement(closed, "with half-open connections, followed after", seconds)
    assert seconds < FOLLOWS


def test_keeps_its_state_while_nothing_passes_the_network(scene: Scene, closed: bool) -> None:
    scene.proxy.black_hole()

    refused_after = scene.assert_cannot_switch(not closed)
    assert scene.instance.is_refused is closed
    wait_until(lambda: scene.read_state() == (closed, True))

    scene.proxy.accept()
    seconds = scene.switch_and_wait(not closed)
    note_measurement(closed, "with nothing passing the network, refused a PATCH after", refused_after)
    note_measurement(closed, "with the network back, followed after", seconds)
    assert seconds < FOLLOWS


def test_keeps_its_state_without_its_database(scene: Scene, server: Server, closed: bool) -> None:
    server.kill() if closed else server.stop()
    try:
        wait_until(lambda: scene.read_state() == (closed, True))
        refused_after = scene.assert_cannot_switch(not closed)
        assert scene.instance.is_refused is closed
        assert [scene.instance.ask(each)[0] for each in (LIVE, READY)] == [200, 503]
    finally:
        server.start()

    seconds = wait_until(lambda: scene.database.query(GATES) == "1")
    note_measurement(closed, "without a database, refused a PATCH after", refused_after)
    note_measurement(closed, "with its database back, was connected after", seconds)
    wait_until(lambda: scene.read_state() == (closed, False))
    assert scene.switch_and_wait(not closed) < FOLLOWS


def test_starts_with_a_closed_gate_without_its_database_and_opens_it_later(scene: Scene, server: Server) -> None:
    settings = {**SETTINGS, "SQLALCHEMY_DATABASE_URI": server.uri}
    server.stop()
    try:
        with serve_instances(
            scene.commands, scene.project, settings, {**settings, "MAINTENANCE_ON_UNKNOWN": "open"}
        ) as (
            service,
            other,
        ):
            refusal = service.get("/instance")
            assert refusal.status_code == 503
            assert "X-Maintenance-Mode" not in refusal.headers
            assert "unknown" in refusal.json()["detail"]
            assert service.get("/health/live").status_code == 200
            assert service.get("/health/ready").status_code == 503
            switch = service.request("PATCH", SERVICE_CONTEXT, JSON, b'{"maintenance": true}')
            assert (switch.status_code, "X-Maintenance-Mode" in switch.headers) == (503, False)
            assert other.get("/instance").status_code == 200

            server.start()
            seconds = wait_until(lambda: service.get("/instance").status_code == 200)
            assert service.get("/health/ready").status_code == 200
    finally:
        server.start()
    note(f"window: started without a database, opened {seconds:.2f} s after it came")
    assert seconds < FOLLOWS


def test_keeps_its_state_while_the_table_is_locked(scene: Scene, closed: bool) -> None:
    with scene.database.transaction("LOCK TABLE service_context IN ACCESS EXCLUSIVE MODE"):
        refused_after = scene.assert_cannot_switch(not closed)
        assert scene.instance.is_refused is closed
        wait_until(lambda: scene.read_state() == (closed, True))

    note_measurement(closed, "with the table locked, refused a PATCH after", refused_after)
    assert scene.switch_and_wait(not closed) < FOLLOWS


@pytest.mark.parametrize(
    ("alteration", "undo"),
    [
        ("ADD COLUMN note text", "DROP COLUMN note"),
        ("ALTER COLUMN message TYPE text", "ALTER COLUMN message TYPE varchar(500)"),
    ],
)
def test_its_table_can_be_altered_during_the_window(alteration: str, undo: str, scene: Scene) -> None:
    for active in (True, False, True):
        scene.operator.set_maintenance(active)

    scene.database.query(f"ALTER TABLE service_context {alteration}")
    scene.other.ask(("PATCH", SERVICE_CONTEXT, {"message": alteration}))

    wait_until(lambda: scene.instance.ask()[1]["detail"] == alteration)
    assert scene.operator.set_maintenance(False)[0] == 200
    assert not scene.instance.is_refused
    scene.database.query(f"ALTER TABLE service_context {undo}")


def test_keeps_the_window_active_and_names_a_missing_column(
    scene: Scene,
) -> None:
    scene.operator.set_maintenance(True)
    scene.database.query("ALTER TABLE service_context DROP COLUMN updated_by")

    status, problem = scene.operator.set_maintenance(False)
    command = scene.run_command(False)

    assert (status, scene.instance.is_refused) == (503, True)
    assert command.returncode == 1
    for reason in (problem["detail"], command.stderr):
        assert "quart db upgrade" in reason
    scene.database.query("ALTER TABLE service_context ADD COLUMN updated_by varchar(255)")
    assert scene.operator.set_maintenance(False)[0] == 200


def test_leaks_neither_tasks_nor_connections_in_a_hundred_reconnects(scene: Scene) -> None:
    scene.switch_and_wait(True)
    scene.switch_and_wait(False)
    scene.instance.ask(CONTEXT)
    tasks = scene.instance.ask()[1]["tasks"]
    wait_until(lambda: scene.database.query(CONNECTIONS) == "2")  # that of the watcher, and one in the pool

    scene.database.query(KILL_GATES % 100)

    scene.switch_and_wait(True)
    scene.switch_and_wait(False)
    scene.instance.ask(CONTEXT)
    wait_until(lambda: scene.instance.ask()[1]["tasks"] <= tasks)
    wait_until(lambda: scene.database.query(CONNECTIONS) == "2")


def test_an_open_gate_adds_no_statement_to_a_request(scene: Scene, server: Server) -> None:
    _, todo = scene.instance.ask(("POST", "/v1/todo", {"title": "a"}))
    reading = ("GET", f"/v1/todo/{todo['id']}", None)
    scene.instance.ask(reading)
    for setting in ("log_statement = 'all'", "log_line_prefix = '%a|'"):
        scene.database.query(f"ALTER SYSTEM SET {setting}")
    scene.database.query("SELECT pg_reload_conf()")
    wait_until(lambda: f"{NAME} gate|LOG:" in server.log)
    started = time.monotonic()
    before = len(server.log)

    statuses = {scene.instance.ask(ask)[0] for ask in [reading, STATUS] * 500}

    logged = server.log[before:].splitlines()
    polls = 1 + (time.monotonic() - started) / POLL
    gate = [line for line in logged if line.startswith(f"{NAME} gate|LOG:")]
    reads, reconnects = (sum(word in line for line in gate) for word in ("to_jsonb", "LISTEN"))
    scene.database.query("ALTER SYSTEM RESET ALL")
    scene.database.query("SELECT pg_reload_conf()")
    assert statuses == {200}
    assert len([line for line in logged if line.startswith(f"{NAME}|LOG:")]) == 500
    assert reads <= polls + reconnects


def test_stops_in_time_while_its_database_does_not_answer(scene: Scene) -> None:
    settings = {**dict.fromkeys(PATIENCE, "20"), "SQLALCHEMY_DATABASE_URI": scene.proxy.uri}
    with scene.commands.serve(scene.project, **settings) as service:
        service.get("/v1/todo")
        scene.proxy.black_hole()
        wait_until(lambda: "is not watched" in service.output)
        time.sleep(1)  # meanwhile it tries to connect, and checks its pool

        started = time.monotonic()
        code = service.stop()
        seconds = time.monotonic() - started
    scene.recover()

    note(f"window: ended {seconds:.2f} s after SIGTERM, while the database did not answer")
    assert code == 0
    assert seconds < 10
