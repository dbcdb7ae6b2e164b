"""A maintenance window across several instances, on PostgreSQL and on SQLite."""

import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from statistics import median, quantiles

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from support.database_server import Database, Server
from support.instances import (
    SERVICE_CONTEXT,
    Call,
    InstanceClient,
    connect_to,
    generate_with_instance_controller,
    serve_instances,
    switch_and_wait,
)
from support.load import Load, Sample
from support.nightly import only_nightly
from support.postgres import Postgres
from support.report import note
from support.service import Commands, Service
from support.template import Generate
from support.waiting import wait_until

pytestmark = pytest.mark.alone

POLL = 30.0  # seconds, MAINTENANCE_POLL_SECONDS: without a notification an instance follows too late
NOTIFIED = 10.0  # seconds, on a busy machine
POLLED = 8.0  # seconds, with the default of 2
JSON = {"Content-Type": "application/json"}
LIST: Call = ("GET", "/v1/todo", None)
READ: Call = ("GET", "/v1/todo/1", None)
WRITE: Call = ("PATCH", "/v1/todo/1", {"completed": True})


@pytest.fixture(name="extended", scope="module")
def _extended(generate: Generate) -> Path:
    return generate_with_instance_controller(generate)


@pytest.fixture(name="uri", scope="module")
def _uri(postgres: Postgres) -> str:
    return postgres.create_database()


def settings_of(uri: str) -> dict[str, str]:
    return {"SQLALCHEMY_DATABASE_URI": uri, "APP_ENV": "development", "MAINTENANCE_POLL_SECONDS": str(POLL)}


@pytest.fixture(name="instances", scope="module")
def _instances(extended: Path, commands: Commands, uri: str) -> Iterator[list[Service]]:
    """Four instances of one service."""
    settings = settings_of(uri) | {"DATABASE_POOL_SIZE": "3"}
    with serve_instances(commands, extended, *[settings] * 4) as services:
        yield services


@pytest.fixture(name="ports", scope="module")
def _ports(instances: list[Service]) -> list[int]:
    return [service.port for service in instances]


@pytest.fixture(name="clients")
def _clients(ports: list[int]) -> Iterator[list[InstanceClient]]:
    """A client of each instance; the window is inactive before and after the test."""
    with connect_to(*ports) as clients:
        yield clients
        deactivate(clients[0], clients)


def deactivate(operator: InstanceClient, clients: Sequence[InstanceClient]) -> None:
    operator.set_maintenance(False)
    wait_until(lambda: not any(client.is_refused for client in clients))


class Stopwatch:
    """Measures from the start of the transaction that switches the window, shortly before its commit."""

    def __init__(self, commands: Commands, uri: str) -> None:
        self._database = Database(commands, uri)
        self.seconds: dict[bool, list[float]] = {True: [], False: []}

    def measure(self, followers: Sequence[InstanceClient], operator: InstanceClient, active: bool) -> None:
        followed = switch_and_wait(followers, operator, active)
        began = self._database.query("SELECT extract(epoch FROM updated_at) FROM service_context")
        self.seconds[active].append(followed - float(began))

    def report(self, instances: str) -> None:
        for active, verb in ((True, "refuses"), (False, "serves")):
            milliseconds = [1000 * each for each in self.seconds[active]]
            p50, p99 = median(milliseconds), quantiles(milliseconds, n=100, method="inclusive")[98]
            note(f"window: from commit until the last of {instances} {verb}, p50 {p50:.0f} ms, p99 {p99:.0f} ms")


def test_all_instances_follow_a_switch_within_seconds(
    clients: list[InstanceClient], ports: list[int], commands: Commands, uri: str
) -> None:
    stopwatch = Stopwatch(commands, uri)
    with connect_to(*ports) as operators:
        for number in range(50):
            stopwatch.measure(clients, operators[number % 4], True)
            stopwatch.measure(clients, operators[number % 4], False)

    stopwatch.report("4 instances")
    assert max(map(max, stopwatch.seconds.values())) < NOTIFIED


def served_too_late(samples: list[Sample], *, switched_by: int, at: float) -> list[Sample]:
    """Requests that an instance served although it had answered the PATCH or refused an earlier request."""
    closed = {switched_by: at}
    for sample in samples:
        if sample.status == 503 and sample.sent > at:
            closed[sample.client] = min(sample.received, closed.get(sample.client, sample.received))
    return [
        sample for sample in samples if sample.status != 503 and sample.sent > closed.get(sample.client, float("inf"))
    ]


def test_serves_no_request_that_starts_after_the_switch_under_load(
    clients: list[InstanceClient], ports: list[int]
) -> None:
    asked = refused = 0
    for number, operator in enumerate(clients * 2):
        with Load.run(ports, [("GET", "/instance", None)], per_second=200) as load:
            load.wait_for(200)
            assert operator.set_maintenance(True)[0] == 200
            switched_at = time.monotonic()
            load.wait_for(503)
        deactivate(operator, clients)

        asked += len(load.samples)
        refused += sum(sample.status == 503 for sample in load.samples)
        assert {sample.status for sample in load.samples} == {200, 503}
        assert not served_too_late(load.samples, switched_by=number % 4, at=switched_at)
    note(f"window: of {asked} requests under load, {refused} refused, none served too late")


def test_a_table_can_be_altered_during_the_window(
    clients: list[InstanceClient], ports: list[int], commands: Commands, uri: str
) -> None:
    database = Database(commands, uri)
    clients[0].ask(("POST", "/v1/todo", {"title": "before"}))
    alterations = [
        "ALTER COLUMN title TYPE text, ADD COLUMN note text",
        "ALTER COLUMN title TYPE varchar(255)",
    ]
    for alteration in alterations:
        with Load.run(ports, [READ, LIST, WRITE], per_second=200) as load:
            load.wait_for(200)
            with connect_to(ports[0]) as (operator,):
                switch_and_wait(clients, operator, True)
                database.query(f"ALTER TABLE todo {alteration}")
                load.wait_for(503)
                switch_and_wait(clients, operator, False)
            served_again_at = time.monotonic()
            load.wait_for(200, since=served_again_at)

        assert {sample.status for sample in load.samples} == {200, 503}
        assert {sample.status for sample in load.samples if sample.sent > served_again_at} == {200}


def test_keeps_the_connection_of_a_refused_upload(clients: list[InstanceClient]) -> None:
    clients[0].set_maintenance(True)
    upload: Call = ("POST", "/v1/todo", {"title": "a" * 500_000})

    assert {clients[0].ask(upload)[0] for _ in range(50)} == {503}


def test_closes_websockets_with_1012_and_denies_handshakes_with_503(
    clients: list[InstanceClient], instances: list[Service]
) -> None:
    url = instances[1].url.replace("http", "ws") + "/instance/socket"
    with connect(url, proxy=None) as socket:
        socket.send("hello")
        assert socket.recv(timeout=30) == "hello"

        clients[0].set_maintenance(True)
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(timeout=NOTIFIED)

    assert closed.value.rcvd
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1012, "maintenance")
    wait_until(lambda: "the handler has ended" in instances[1].output)
    with pytest.raises(InvalidStatus) as denied, connect(url, proxy=None):
        pass
    response = denied.value.response
    assert response.status_code == 503
    assert response.headers["X-Maintenance-Mode"] == "1"
    assert response.headers["Content-Type"] == "application/problem+json"
    assert b"enduring maintenance" in (response.body or b"")


def run(commands: Commands, project: Path, uri: str, *command: str) -> str:
    result = commands.run(project, "quart", *command, SQLALCHEMY_DATABASE_URI=uri)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_requests_and_commands_switch_a_window_that_survives_restarts_with_and_without_a_prefix(
    project: Path, commands: Commands, server: Server
) -> None:
    uri, prefixes = server.uri, ["", "/example"]
    settings = settings_of(uri)

    def start() -> AbstractContextManager[list[Service]]:
        return serve_instances(commands, project, *({**settings, "SERVICE_PREFIX": prefix} for prefix in prefixes))

    def all_are(status: int) -> bool:
        paths = [f"{prefix}/v1/todo" for prefix in prefixes]
        return [service.get(path).status_code for service, path in zip(services, paths, strict=True)] == [status] * 2

    with start() as services:
        on = services[0].request("PATCH", SERVICE_CONTEXT, JSON, b'{"maintenance": true}')
        assert (on.status_code, on.json()["maintenance"]) == (200, True)
        wait_until(lambda: all_are(503), NOTIFIED)

    server.stop()
    server.start()

    with start() as services:
        assert all_are(503)
        off = services[1].request("PATCH", f"/example{SERVICE_CONTEXT}", JSON, b'{"maintenance": false}')
        assert (off.status_code, off.json()["maintenance"]) == (200, False)
        wait_until(lambda: all_are(200), NOTIFIED)

        assert "is active" in run(commands, project, uri, "activate_maintenance_mode")
        wait_until(lambda: all_are(503), NOTIFIED)
        assert "is inactive" in run(commands, project, uri, "deactivate_maintenance_mode")
        wait_until(lambda: all_are(200), NOTIFIED)


@only_nightly
def test_instances_follow_by_polling_on_sqlite(extended: Path, commands: Commands, tmp_path: Path) -> None:
    uri = f"sqlite+aiosqlite:///{tmp_path / 'database'}"
    run(commands, extended, uri, "db", "upgrade")
    settings = {"SQLALCHEMY_DATABASE_URI": uri, "APP_ENV": "development"}
    with (
        serve_instances(commands, extended, settings, settings) as services,
        connect_to(*(service.port for service in services)) as (first, second),
    ):
        first.ask(("POST", "/v1/todo", {"title": "a"}))
        assert first.set_maintenance(True)[0] == 200
        assert first.is_refused
        refusing = wait_until(lambda: second.is_refused, POLLED)

        run(commands, extended, uri, "deactivate_maintenance_mode")
        serving = wait_until(lambda: not first.is_refused and not second.is_refused, POLLED)

        assert second.ask(READ)[0] == 200
    note(f"window, SQLite: the other instance refused after {refusing:.1f} s, both served after {serving:.1f} s")
