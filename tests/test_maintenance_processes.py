"""The maintenance window across workers: Hypercorn processes on a real PostgreSQL, or on SQLite."""

import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from statistics import median, quantiles

import pytest
from conftest import Generate, note
from database_server import Database, Server
from service import HYPERCORN, Commands, Postgres, Service
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from workers import (
    SWITCH,
    Answer,
    Ask,
    Load,
    Worker,
    connected,
    serving,
    switched,
    until,
    with_worker,
)

pytest_plugins = ["service", "database_server"]
pytestmark = pytest.mark.alone

POLL = 30.0  # seconds, MAINTENANCE_POLL_SECONDS: who does not hear of a change follows too late
NOTIFIED = 10.0  # seconds, for a machine that does much else
POLLED = 8.0  # seconds, with the default of 2
JSON = {"Content-Type": "application/json"}
LISTED: Ask = ("GET", "/v1/todo", None)
READ: Ask = ("GET", "/v1/todo/1", None)
WRITTEN: Ask = ("PATCH", "/v1/todo/1", {"completed": True})


@pytest.fixture(name="project_with_worker", scope="module")
def _project_with_worker(generate: Generate) -> Path:
    return with_worker(generate)


@pytest.fixture(name="uri", scope="module")
def _uri(postgres: Postgres) -> str:
    return postgres.create()


def settings_of(uri: str) -> dict[str, str]:
    return {"SQLALCHEMY_DATABASE_URI": uri, "APP_ENV": "development", "MAINTENANCE_POLL_SECONDS": str(POLL)}


@pytest.fixture(name="four", scope="module")
def _four(project_with_worker: Path, commands: Commands, uri: str) -> Iterator[list[Service]]:
    """Four processes of one service."""
    settings = settings_of(uri) | {"DATABASE_POOL_SIZE": "3"}
    with serving(commands, project_with_worker, *[settings] * 4) as services:
        yield services


@pytest.fixture(name="ports", scope="module")
def _ports(four: list[Service]) -> list[int]:
    return [service.port for service in four]


@pytest.fixture(name="workers")
def _workers(ports: list[int]) -> Iterator[list[Worker]]:
    """One of each, all open before and after."""
    with connected(*ports) as workers:
        yield workers
        workers[0].switch(False)
        until(lambda: not any(worker.closed for worker in workers))


@contextmanager
def two_of_each(port: int) -> Iterator[list[tuple[Worker, ...]]]:
    """Twice a connection to each of the two workers that share a port: which one accepts the next is chance."""
    with ExitStack() as stack:
        found: dict[int, list[Worker]] = {}

        def complete() -> bool:
            worker = Worker(port)
            of_one_process = found.setdefault(worker.ask()[1]["pid"], [])
            if len(of_one_process) < 2:
                of_one_process.append(worker)
                stack.callback(worker.close)
            else:
                worker.close()
            return [len(each) for each in found.values()] == [2, 2]

        until(complete)
        yield list(zip(*found.values(), strict=True))


class Stopwatch:
    """Measures from the beginning of the transaction that switched, a little before its commit."""

    def __init__(self, commands: Commands, uri: str) -> None:
        self._database = Database(commands, uri)
        self.seconds: dict[bool, list[float]] = {True: [], False: []}

    def measure(self, workers: Sequence[Worker], at: Worker, on: bool) -> None:
        followed = switched(workers, at, on)
        began = self._database.query("SELECT extract(epoch FROM updated_at) FROM service_context")
        self.seconds[on].append(followed - float(began))

    def report(self, who: str) -> None:
        for on, what in ((True, "refuses"), (False, "serves")):
            milliseconds = [1000 * each for each in self.seconds[on]]
            p50, p99 = median(milliseconds), quantiles(milliseconds, n=100, method="inclusive")[98]
            note(f"window: from commit until the last of {who} {what}, p50 {p50:.0f} ms, p99 {p99:.0f} ms")


def test_the_last_of_four_processes_follows_soon(
    workers: list[Worker], ports: list[int], commands: Commands, uri: str
) -> None:
    stopwatch = Stopwatch(commands, uri)
    with connected(*ports) as operators:
        for number in range(50):
            stopwatch.measure(workers, operators[number % 4], True)
            stopwatch.measure(workers, operators[number % 4], False)

    stopwatch.report("4 processes")
    assert max(map(max, stopwatch.seconds.values())) < NOTIFIED


def test_both_workers_of_one_hypercorn_follow_soon(
    project_with_worker: Path, commands: Commands, postgres: Postgres
) -> None:
    words = (*HYPERCORN, "--workers", "2")
    settings = settings_of(postgres.create())
    stopwatch = Stopwatch(commands, settings["SQLALCHEMY_DATABASE_URI"])
    with (
        commands.serving(project_with_worker, *words, **settings) as service,
        two_of_each(service.port) as (followers, operators),
    ):
        for number in range(50):
            stopwatch.measure(followers, operators[number % 2], True)
            stopwatch.measure(followers, operators[number % 2], False)

    stopwatch.report("2 workers of one Hypercorn")
    assert max(map(max, stopwatch.seconds.values())) < NOTIFIED


def served_after_the_switch(answers: list[Answer], *, told: int, at: float) -> list[Answer]:
    """What a worker let through that had answered the PATCH, or had already refused something."""
    knew = {told: at}
    for answer in answers:
        if answer.status == 503 and answer.sent > at:
            knew[answer.worker] = min(answer.received, knew.get(answer.worker, answer.received))
    return [
        answer for answer in answers if answer.status != 503 and answer.sent > knew.get(answer.worker, float("inf"))
    ]


def test_under_load_no_request_that_starts_after_the_switch_is_served(workers: list[Worker], ports: list[int]) -> None:
    asked = refused = 0
    for number, operator in enumerate(workers * 2):
        with Load.running(ports, [("GET", "/worker", None)], per_second=200) as load:
            load.wait_for(200)
            assert operator.switch(True)[0] == 200
            switched_at = time.monotonic()
            load.wait_for(503)
        operator.switch(False)
        until(lambda: not any(worker.closed for worker in workers))

        answers = load.answers
        asked += len(answers)
        refused += sum(answer.status == 503 for answer in answers)
        assert {answer.status for answer in answers} == {200, 503}
        assert not served_after_the_switch(answers, told=number % 4, at=switched_at)
    note(f"window: of {asked} requests under load, {refused} refused, none served too late")


def test_a_table_may_be_altered_inside_of_the_window(
    workers: list[Worker], ports: list[int], commands: Commands, uri: str
) -> None:
    database = Database(commands, uri)
    workers[0].ask(("POST", "/v1/todo", {"title": "before"}))
    alterations = [
        "ALTER COLUMN title TYPE text, ADD COLUMN note text",
        "ALTER COLUMN title TYPE varchar(255)",
    ]
    for alteration in alterations:
        with Load.running(ports, [READ, LISTED, WRITTEN], per_second=200) as load:
            load.wait_for(200)
            with connected(ports[0]) as (operator,):
                switched(workers, operator, True)
                database.query(f"ALTER TABLE todo {alteration}")
                load.wait_for(503)
                switched(workers, operator, False)
            opened_at = time.monotonic()
            load.wait_for(200, since=opened_at)

        assert {answer.status for answer in load.answers} == {200, 503}
        assert {answer.status for answer in load.answers if answer.sent > opened_at} == {200}


def test_a_refused_upload_is_answered_and_does_not_end_the_connection(workers: list[Worker]) -> None:
    workers[0].switch(True)
    upload: Ask = ("POST", "/v1/todo", {"title": "a" * 500_000})

    assert {workers[0].ask(upload)[0] for _ in range(50)} == {503}


def test_a_websocket_is_closed_with_1012_and_a_handshake_denied_with_503(
    workers: list[Worker], four: list[Service]
) -> None:
    url = four[1].url.replace("http", "ws") + "/worker/socket"
    with connect(url, proxy=None) as socket:
        socket.send("hello")
        assert socket.recv() == "hello"

        workers[0].switch(True)
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(timeout=NOTIFIED)

    assert closed.value.rcvd
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1012, "maintenance")
    until(lambda: "the handler has ended" in four[1].output)
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


def test_requests_and_commands_switch_it_with_and_without_prefix_and_it_survives_restarts(
    project: Path, commands: Commands, server: Server
) -> None:
    uri, both = server.uri, ["", "/example"]
    settings = settings_of(uri)

    def started() -> AbstractContextManager[list[Service]]:
        return serving(commands, project, *({**settings, "SERVICE_PREFIX": prefix} for prefix in both))

    def all_are(status: int) -> bool:
        paths = [f"{prefix}/v1/todo" for prefix in both]
        return [service.get(path).status_code for service, path in zip(services, paths, strict=True)] == [status] * 2

    with started() as services:
        on = services[0].request("PATCH", SWITCH, JSON, b'{"maintenance": true}')
        assert (on.status_code, on.json()["maintenance"]) == (200, True)
        until(lambda: all_are(503), NOTIFIED)

    server.stop()
    server.start()

    with started() as services:
        assert all_are(503)
        off = services[1].request("PATCH", f"/example{SWITCH}", JSON, b'{"maintenance": false}')
        assert (off.status_code, off.json()["maintenance"]) == (200, False)
        until(lambda: all_are(200), NOTIFIED)

        assert "is active" in run(commands, project, uri, "activate_maintenance_mode")
        until(lambda: all_are(503), NOTIFIED)
        assert "is inactive" in run(commands, project, uri, "deactivate_maintenance_mode")
        until(lambda: all_are(200), NOTIFIED)


def test_on_sqlite_processes_follow_by_polling(project_with_worker: Path, commands: Commands, tmp_path: Path) -> None:
    uri = f"sqlite+aiosqlite:///{tmp_path / 'database'}"
    run(commands, project_with_worker, uri, "db", "upgrade")
    settings = {"SQLALCHEMY_DATABASE_URI": uri, "APP_ENV": "development"}
    with (
        serving(commands, project_with_worker, settings, settings) as services,
        connected(*(service.port for service in services)) as (first, second),
    ):
        first.ask(("POST", "/v1/todo", {"title": "a"}))
        assert first.switch(True)[0] == 200
        assert first.closed
        closing = until(lambda: second.closed, POLLED)

        run(commands, project_with_worker, uri, "deactivate_maintenance_mode")
        opening = until(lambda: not first.closed and not second.closed, POLLED)

        assert second.ask(READ)[0] == 200
    note(f"window, SQLite: another process closed after {closing:.1f} s, both opened after {opening:.1f} s")
