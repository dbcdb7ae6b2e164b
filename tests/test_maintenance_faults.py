"""What a worker does with the maintenance window when its database misbehaves, or the way there.

The worker under test, open or closed, reaches the database through a proxy; it is switched elsewhere.
"""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from subprocess import CompletedProcess
from typing import Self

import pytest
from conftest import Generate, note
from database_server import Database, Server
from faults import Proxy
from service import Commands
from workers import IDLE, SWITCH, Ask, Worker, connected, serving, until, with_worker

pytest_plugins = ["service", "database_server"]
pytestmark = pytest.mark.alone

NAME = "proxied"
PATIENCE = {"DATABASE_CONNECT_TIMEOUT": "2", "DATABASE_STATEMENT_TIMEOUT": "1"}  # seconds
SETTINGS = {"APP_ENV": "development", **PATIENCE}
POLL = 2.0  # seconds, MAINTENANCE_POLL_SECONDS
SLACK = 5.0  # seconds, for a machine that does much else
DEAF = 3.0 + SLACK
TO_NOTICE = 10.0  # seconds, for one that polls every 30
JSON = {"Content-Type": "application/json"}
KNOWN: Ask = ("GET", SWITCH, None)
READY: Ask = ("GET", "/health/ready", None)
LIVE: Ask = ("GET", "/health/live", None)
RARE = {"SERVICE_NAME": "rarely", "MAINTENANCE_POLL_SECONDS": "30"}
GATES = f"SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE '{NAME} gate%'"  # noqa: S608
CONNECTIONS = GATES.replace(" gate", "")
# Each time after the watcher has read, so that each time it has recovered.
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
    worker: Worker
    second: Worker  # another connection to the same one
    elsewhere: Worker
    proxy: Proxy
    database: Database
    commands: Commands
    project: Path

    @property
    def mirrored(self) -> Self:
        """The roles exchanged: the worker under test polls so rarely that it follows only what it notices."""
        return replace(self, worker=self.elsewhere, elsewhere=self.second)

    def follows(self, on: bool) -> float:
        """Seconds from a PATCH elsewhere until the worker has followed."""
        started = time.monotonic()
        status, body = self.elsewhere.switch(on)
        if status != 200:
            raise RuntimeError(body)
        until(lambda: self.worker.closed is on)
        return time.monotonic() - started

    def command(self, on: bool) -> CompletedProcess[str]:
        """Switches on the command line, on the way that the worker has."""
        name = "activate_maintenance_mode" if on else "deactivate_maintenance_mode"
        uri = {"SQLALCHEMY_DATABASE_URI": self.proxy.uri}
        return self.commands.run(self.project, "quart", name, **uri, **PATIENCE)

    def refuses_to_switch(self, on: bool) -> float:
        """Tries both ways at the same time; seconds until the request was answered."""
        with ThreadPoolExecutor() as pool:
            command = pool.submit(self.command, on)
            started = time.monotonic()
            status, problem = self.second.switch(on)
            seconds = time.monotonic() - started
        assert (status, problem["status"]) == (503, 503)
        assert command.result().returncode == 1
        assert len(command.result().stderr.splitlines()) == 1
        return seconds

    def known(self) -> tuple[bool, bool]:
        """What the worker says of the window, and whether that is stale."""
        _, body = self.worker.ask(KNOWN)
        return body["maintenance"], body["stale"]

    def recover(self) -> None:
        self.proxy.accept()
        until(lambda: self.database.query(GATES) == "1")
        until(lambda: not self.known()[1])
        self.follows(False)


@pytest.fixture(name="scene", scope="module")
def _scene(generate: Generate, commands: Commands, server: Server) -> Iterator[Scene]:
    project = with_worker(generate)
    with Proxy.running(server.uri) as proxy:
        proxied = {**SETTINGS, "SERVICE_NAME": NAME, "SQLALCHEMY_DATABASE_URI": proxy.uri}
        direct = {**SETTINGS, **RARE, "SQLALCHEMY_DATABASE_URI": server.uri}
        with (
            serving(commands, project, proxied, direct) as (service, other),
            connected(service.port, service.port, other.port) as (worker, second, elsewhere),
        ):
            database = Database(commands, server.uri)
            yield Scene(worker, second, elsewhere, proxy, database, commands, project)


@pytest.fixture(name="closed", params=[False, True], ids=["open", "closed"])
def _closed(request: pytest.FixtureRequest, scene: Scene) -> Iterator[bool]:
    """What the worker is when the fault begins, with a connection in its pool."""
    scene.follows(request.param)
    scene.worker.ask(KNOWN)
    yield request.param
    scene.recover()


def measured(closed: bool, what: str, seconds: float) -> None:
    note(f"window, {'closed' if closed else 'open'} worker: {what} {seconds:.2f} s")


def test_a_worker_that_answers_a_switch_needs_no_notification(scene: Scene, closed: bool) -> None:
    scene.proxy.lose_notifications()

    status, _ = scene.second.switch(not closed)

    assert (status, scene.worker.closed) == (200, not closed)


def test_polling_makes_up_for_a_lost_notification(scene: Scene, closed: bool) -> None:
    scene.proxy.lose_notifications()

    seconds = scene.follows(not closed)

    measured(closed, "followed a lost notification after", seconds)
    assert seconds < DEAF


def test_a_killed_connection_is_replaced_at_once(scene: Scene, closed: bool) -> None:
    rare, kill = scene.mirrored, KILL_GATES.replace(NAME, RARE["SERVICE_NAME"]) % 1
    scene.database.query(kill)
    seconds = rare.follows(not closed)
    again = rare.follows(closed)  # which the new connection has heard of
    scene.database.query(kill)
    status, _ = rare.worker.switch(not closed)

    measured(closed, "with its connection killed, followed after", seconds)
    assert max(seconds, again) < TO_NOTICE
    assert (status, rare.worker.closed) == (200, not closed)


def test_a_half_open_connection_is_found_and_replaced(scene: Scene, closed: bool) -> None:
    scene.proxy.silence()

    seconds = scene.follows(not closed)

    measured(closed, "with half-open connections, followed after", seconds)
    assert seconds < DEAF


def test_a_network_that_swallows_all_changes_nothing(scene: Scene, closed: bool) -> None:
    scene.proxy.black_hole()

    refused_after = scene.refuses_to_switch(not closed)
    assert scene.worker.closed is closed
    until(lambda: scene.known() == (closed, True))

    scene.proxy.accept()
    seconds = scene.follows(not closed)
    measured(closed, "with nothing coming through, refused a PATCH after", refused_after)
    measured(closed, "after the network has come back, followed after", seconds)
    assert seconds < DEAF


def test_without_its_database_it_stays_as_it_is(scene: Scene, server: Server, closed: bool) -> None:
    end = server.kill if closed else server.stop
    end()
    try:
        until(lambda: scene.known() == (closed, True))
        refused_after = scene.refuses_to_switch(not closed)
        assert scene.worker.closed is closed
        assert [scene.worker.ask(each)[0] for each in (LIVE, READY)] == [200, 503]
    finally:
        server.start()

    seconds = until(lambda: scene.database.query(GATES) == "1")
    measured(closed, "without a database, refused a PATCH after", refused_after)
    measured(closed, "with its database back, was connected after", seconds)
    until(lambda: scene.known() == (closed, False))
    assert scene.follows(not closed) < DEAF


def test_starts_closed_without_its_database_and_opens_by_itself(scene: Scene, server: Server) -> None:
    settings = {**SETTINGS, "SQLALCHEMY_DATABASE_URI": server.uri}
    server.stop()
    try:
        with serving(scene.commands, scene.project, settings, {**settings, "MAINTENANCE_ON_UNKNOWN": "open"}) as (
            service,
            other,
        ):
            refusal = service.get("/worker")
            assert refusal.status_code == 503
            assert "X-Maintenance-Mode" not in refusal.headers
            assert "unknown" in refusal.json()["detail"]
            assert service.get("/health/live").status_code == 200
            assert service.get("/health/ready").status_code == 503
            switch = service.request("PATCH", SWITCH, JSON, b'{"maintenance": true}')
            assert (switch.status_code, "X-Maintenance-Mode" in switch.headers) == (503, False)
            assert other.get("/worker").status_code == 200

            server.start()
            seconds = until(lambda: service.get("/worker").status_code == 200)
            assert service.get("/health/ready").status_code == 200
    finally:
        server.start()
    note(f"window: started without a database, opened {seconds:.2f} s after it came")
    assert seconds < DEAF


def test_a_locked_table_leaves_it_as_it_is(scene: Scene, closed: bool) -> None:
    with scene.database.transaction("LOCK TABLE service_context IN ACCESS EXCLUSIVE MODE"):
        refused_after = scene.refuses_to_switch(not closed)
        assert scene.worker.closed is closed
        until(lambda: scene.known() == (closed, True))

    measured(closed, "with the table locked, refused a PATCH after", refused_after)
    assert scene.follows(not closed) < DEAF


@pytest.mark.parametrize(
    ("alteration", "undo"),
    [
        ("ADD COLUMN note text", "DROP COLUMN note"),
        ("ALTER COLUMN message TYPE text", "ALTER COLUMN message TYPE varchar(500)"),
    ],
)
def test_its_table_may_be_altered_inside_of_the_window(alteration: str, undo: str, scene: Scene) -> None:
    for on in (True, False, True):
        scene.second.switch(on)

    scene.database.query(f"ALTER TABLE service_context {alteration}")
    scene.elsewhere.ask(("PATCH", SWITCH, {"message": alteration}))

    until(lambda: scene.worker.ask()[1]["detail"] == alteration)
    assert scene.second.switch(False)[0] == 200
    assert not scene.worker.closed
    scene.database.query(f"ALTER TABLE service_context {undo}")


def test_a_column_that_is_missing_keeps_the_window_closed_and_is_named_as_the_reason(
    scene: Scene,
) -> None:
    scene.second.switch(True)
    scene.database.query("ALTER TABLE service_context DROP COLUMN updated_by")

    status, problem = scene.second.switch(False)
    command = scene.command(False)

    assert (status, scene.worker.closed) == (503, True)
    assert command.returncode == 1
    for reason in (problem["detail"], command.stderr):
        assert "quart db upgrade" in reason
    scene.database.query("ALTER TABLE service_context ADD COLUMN updated_by varchar(255)")
    assert scene.second.switch(False)[0] == 200


def test_a_hundred_reconnects_leak_neither_task_nor_connection(scene: Scene) -> None:
    scene.follows(True)
    scene.follows(False)
    scene.worker.ask(KNOWN)
    tasks = scene.worker.ask()[1]["tasks"]
    until(lambda: scene.database.query(CONNECTIONS) == "2")  # one listens, one is in the pool

    scene.database.query(KILL_GATES % 100)

    scene.follows(True)
    scene.follows(False)
    scene.worker.ask(KNOWN)
    until(lambda: scene.worker.ask()[1]["tasks"] <= tasks)
    until(lambda: scene.database.query(CONNECTIONS) == "2")


def test_an_open_gate_adds_no_statement_to_those_of_the_requests(scene: Scene, server: Server) -> None:
    _, todo = scene.worker.ask(("POST", "/v1/todo", {"title": "a"}))
    reading = ("GET", f"/v1/todo/{todo['id']}", None)
    scene.worker.ask(reading)
    for setting in ("log_statement = 'all'", "log_line_prefix = '%a|'"):
        scene.database.query(f"ALTER SYSTEM SET {setting}")
    scene.database.query("SELECT pg_reload_conf()")
    until(lambda: f"{NAME} gate|LOG:" in server.log)
    started = time.monotonic()
    before = len(server.log)

    statuses = {scene.worker.ask(ask)[0] for ask in [reading, IDLE] * 500}

    logged = server.log[before:].splitlines()
    polls = 1 + (time.monotonic() - started) / POLL
    gate = [line for line in logged if line.startswith(f"{NAME} gate|LOG:")]
    reads, reconnects = (sum(word in line for line in gate) for word in ("to_jsonb", "LISTEN"))
    scene.database.query("ALTER SYSTEM RESET ALL")
    scene.database.query("SELECT pg_reload_conf()")
    assert statuses == {200}
    assert len([line for line in logged if line.startswith(f"{NAME}|LOG:")]) == 500
    assert reads <= polls + reconnects


def test_ends_in_time_though_its_database_does_not_answer(scene: Scene) -> None:
    settings = {**dict.fromkeys(PATIENCE, "20"), "SQLALCHEMY_DATABASE_URI": scene.proxy.uri}
    with scene.commands.serving(scene.project, **settings) as service:
        service.get("/v1/todo")
        scene.proxy.black_hole()
        until(lambda: "is not watched" in service.output)
        time.sleep(1)  # it tries to connect, and asks its pool

        started = time.monotonic()
        code = service.stop()
        seconds = time.monotonic() - started
    scene.recover()

    note(f"window: ended {seconds:.2f} s after SIGTERM, while the database did not answer")
    assert code == 0
    assert seconds < 10
