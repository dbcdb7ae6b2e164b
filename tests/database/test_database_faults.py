"""The answers of a service under load while its PostgreSQL fails or is out of reach, and the time to recover.

Hypercorn, PostgreSQL and the faults of the network between them are real.
"""

import os
import re
import signal
import time
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection
from itertools import cycle
from pathlib import Path

import pytest

from support.applications import add_controller
from support.database_server import Database, Server
from support.faults import Proxy
from support.instances import Call
from support.nightly import NIGHTLY
from support.report import note
from support.service import Commands, Service
from support.storm import Answer, Storm, StormClient
from support.template import ROOT, Generate
from support.waiting import wait_until

pytestmark = pytest.mark.alone

NAME = "faulty"
POOL = 5
CONNECT = 2.0  # seconds, the default of DATABASE_CONNECT_TIMEOUT
PATIENCE = {"DATABASE_POOL_TIMEOUT": 1.0, "DATABASE_STATEMENT_TIMEOUT": 1.5}  # seconds; by default 5 and 10
STATEMENT = sum(PATIENCE.values()) + CONNECT + 1  # seconds after which any statement has ended
RECOVERY = 2.0
SLACK = 6.0  # seconds, for a busy machine
STARTED = "ready to accept connections"  # in the log of the server
CONNECTIONS = f"SELECT count(*) FROM pg_stat_activity WHERE application_name = '{NAME}'"  # noqa: S608
PROCESSES = CONNECTIONS.replace("count(*)", "pid")
TERMINATE = CONNECTIONS.replace("count(*)", "pg_terminate_backend(pid)")
WRITE: Call = ("POST", "/v1/todo", {"title": "a"})
LIST: Call = ("GET", "/v1/todo?per_page=2", None)
TRANSACTION: Call = ("POST", "/fault/transaction", {})
READY: Call = ("GET", "/health/ready", None)
HANG: Call = ("GET", "/fault/hang", None)
IN_USE: Call = ("GET", "/fault/pool", None)
WRITES = 10_000 if NIGHTLY else 2000
PAGE = (ROOT / "docs" / "database-faults.md").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Scene:
    """A service, its database and the network between them."""

    service: Service
    server: Server
    proxy: Proxy
    database: Database

    def ask(self, call: Call) -> Answer:
        client = StormClient(self.service.port)
        try:
            return client.ask(call)
        finally:
            client.close()

    def count_todos(self, title: str) -> int:
        return int(self.database.query(f"SELECT count(*) FROM todo WHERE title = '{title}'"))  # noqa: S608

    def find_backends(self) -> list[int]:
        return [int(line) for line in self.database.query(PROCESSES).split()]

    def assert_no_leaks(self) -> None:
        """Without requests no connection is in use, and the server has no more of them than the pool may hold."""
        wait_until(lambda: self.ask(IN_USE).body == {"in use": 0})
        wait_until(lambda: int(self.database.query(CONNECTIONS)) <= POOL)
        wait_until(lambda: self.database.query(f"{CONNECTIONS} AND state <> 'idle'") == "0")
        assert self.service.events(event="unexpected error") == []
        assert self.service.process.poll() is None


@pytest.fixture(name="faulty_project", scope="module")
def _faulty_project(generate: Generate) -> Path:
    project = generate()
    add_controller(project, "fault")
    return project


@pytest.fixture(name="scene", scope="module")
def _scene(faulty_project: Path, commands: Commands, server: Server) -> Iterator[Scene]:
    settings = {name: str(value) for name, value in PATIENCE.items()}
    settings |= {"SERVICE_NAME": NAME, "DATABASE_POOL_SIZE": str(POOL), "LOG_FORMAT": "json"}
    with (
        Proxy.run(server.uri) as proxy,
        commands.serve(faulty_project, SQLALCHEMY_DATABASE_URI=proxy.uri, **settings) as service,
    ):
        yield Scene(service, server, proxy, Database(commands, server.uri))


@pytest.fixture(autouse=True)
def _restore(scene: Scene) -> Iterator[None]:
    scene.server.start()
    scene.proxy.accept()
    wait_until(lambda: scene.ask(WRITE).status == 201)
    yield
    scene.server.start()


def restart(scene: Scene) -> None:
    scene.server.stop()
    scene.server.start()


def kill_the_server(scene: Scene) -> None:
    scene.server.kill()
    scene.server.start()


def kill_a_backend(scene: Scene) -> None:
    """The server then ends all other backends, too, and recovers from its log."""
    starts = scene.server.log.count(STARTED)
    os.kill(scene.find_backends()[0], signal.SIGKILL)
    wait_until(lambda: scene.server.log.count(STARTED) > starts)


def terminate_connections(scene: Scene) -> None:
    for _ in range(10):
        scene.database.query(TERMINATE)


def cut_connections(scene: Scene) -> None:
    for _ in range(10):
        scene.proxy.cut()
        time.sleep(0.05)


def refuse_connections(scene: Scene) -> None:
    scene.proxy.refuse()
    time.sleep(1)
    scene.proxy.accept()


def black_hole(scene: Scene) -> None:
    scene.proxy.black_hole()
    time.sleep(STATEMENT)
    scene.proxy.accept()


def drop_packets(scene: Scene) -> None:
    scene.proxy.drop()
    time.sleep(STATEMENT)
    scene.proxy.accept()


def freeze(scene: Scene) -> None:
    """Suspend the processes of the server, while the kernel still accepts data for them."""
    processes = scene.find_backends()
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    time.sleep(STATEMENT)
    for process in processes:
        os.kill(process, signal.SIGCONT)


FAULTS = {
    "is restarted": restart,
    "is killed, `kill -9`": kill_the_server,
    "loses a process, `kill -9`": kill_a_backend,
    "terminates connections": terminate_connections,
    "has its connections cut": cut_connections,
    "refuses connections": refuse_connections,
    "does not answer": black_hole,
    "is out of reach, packets are lost": drop_packets,
    "is frozen": freeze,
}


@pytest.mark.parametrize("fault", FAULTS.values())
def test_answers_503_in_time_during_a_fault_and_recovers_with_the_database(
    fault: Callable[[Scene], None], scene: Scene
) -> None:
    with Storm.run(scene.service.port, cycle([WRITE, LIST, TRANSACTION, READY]), clients=8) as storm:
        wait_until(lambda: len(storm.answers) > 50)
        fault(scene)
        back = time.monotonic()
        wait_for_recovery(storm, back)

    check_answers(fault.__name__, storm.answers, back)
    scene.assert_no_leaks()


def wait_for_recovery(storm: Storm, back: float) -> None:
    """Wait for a successful write, and for requests that were sent after RECOVERY."""
    storm.limit_clients(POOL)  # so that no client waits for a connection on a machine that stalls
    wait_until(lambda: any(answer.sent > back and answer.status == 201 for answer in storm.answers))
    time.sleep(max(0.0, back + RECOVERY + 0.5 - time.monotonic()))


def check_answers(fault: str, answers: Sequence[Answer], back: float) -> None:
    statuses = Counter(answer.status for answer in answers)
    slowest = max(answer.seconds for answer in answers)
    recovered = min(answer.received for answer in answers if answer.sent > back and answer.status == 201) - back
    refused = [answer for answer in answers if answer.status == 503]
    after = max([answer.received - back for answer in refused if answer.sent > back], default=0)
    note(
        f"faults, {fault}: {dict(statuses)}, slowest answer {slowest:.2f} s; "
        f"wrote again {recovered:.2f} s after it was back, refused until {after:.2f} s after"
    )
    assert set(statuses) <= {200, 201, 503}
    assert {answer.retry_after for answer in refused} <= {"1"}
    assert slowest < 2 * STATEMENT + SLACK  # a list is two statements
    assert [answer for answer in refused if answer.sent > back + RECOVERY] == []
    assert recovered < RECOVERY + SLACK


def test_loses_no_acknowledged_write_when_the_server_is_killed(
    faulty_project: Path, commands: Commands, tmp_path: Path
) -> None:
    writes: list[Call] = [("POST", "/v1/todo", {"title": f"{number}"}) for number in range(WRITES)]
    settings = {"LOG_LEVEL": "ERROR", "DATABASE_POOL_SIZE": str(POOL)}
    with Server.run(commands, faulty_project, tmp_path, kind="durable") as server:
        server.migrate(commands, faulty_project)
        with commands.serve(faulty_project, SQLALCHEMY_DATABASE_URI=server.uri, **settings) as service:
            with Storm.run(service.port, writes, clients=8, pause=0.5) as storm:
                started = time.monotonic()
                wait_until(lambda: len(storm.answers) > WRITES // 2, seconds=300)
                server.kill()
                server.start()
                storm.wait_for_end()
                seconds = time.monotonic() - started
            lines = Database(commands, server.uri).query("SELECT id, title FROM todo").splitlines()

    stored = {int(identity): title for identity, title in (line.split("|") for line in lines)}
    acknowledged = {each.body["id"]: each.body["title"] for each in storm.answers if each.status == 201}
    refused = [each for each in storm.answers if each.status == 503]
    unknown = stored.keys() - acknowledged.keys()
    note(
        f"faults, {WRITES} writes in {seconds:.1f} s with a kill -9 of a durable server in the middle: "
        f"{len(acknowledged)} acknowledged, all of them stored; {len(refused)} refused, {len(unknown)} of them stored"
    )
    assert len(acknowledged) + len(refused) == len(storm.answers) == WRITES
    assert refused
    assert acknowledged.items() <= stored.items()
    assert len(unknown) <= len(refused)


def test_answers_503_when_the_pool_is_exhausted_and_cancels_statements_that_hang(scene: Scene) -> None:
    waiting: list[Answer] = []

    def is_refused() -> bool:
        """A write succeeds if one of the statements that hang has just ended."""
        waiting.append(scene.ask(WRITE))
        return waiting[-1].status == 503

    with Storm.run(scene.service.port, cycle([HANG]), clients=POOL) as hanging:
        wait_until(is_refused)

    answers = [waiting[-1], *hanging.answers]
    note(
        f"faults, pool used up: refused after {waiting[-1].seconds:.2f} s; "
        f"statements that hang: after {max(answer.seconds for answer in hanging.answers):.2f} s"
    )
    assert {(answer.status, answer.retry_after) for answer in answers} == {(503, "1")}
    assert waiting[-1].seconds < PATIENCE["DATABASE_POOL_TIMEOUT"] + SLACK
    assert max(answer.seconds for answer in hanging.answers) < PATIENCE["DATABASE_STATEMENT_TIMEOUT"] + SLACK
    assert scene.ask(WRITE).status == 201
    scene.assert_no_leaks()


def test_cancels_the_statements_of_clients_that_leave(scene: Scene) -> None:
    for _ in range(4):
        clients = [HTTPConnection("127.0.0.1", scene.service.port) for _ in range(2 * POOL)]
        for client in clients:
            client.request("GET", HANG[1])
        time.sleep(0.1)
        for client in clients:
            client.close()

    started = time.monotonic()
    wait_until(lambda: scene.ask(IN_USE).body == {"in use": 0})
    wait_until(lambda: scene.database.query(f"{CONNECTIONS} AND state = 'active'") == "0")
    note(f"faults, {8 * POOL} clients that left: nothing in use after {time.monotonic() - started:.2f} s")
    scene.assert_no_leaks()


def test_fails_no_request_after_all_idle_connections_were_killed(scene: Scene) -> None:
    for fault in (restart, kill_the_server, terminate_all_connections):
        links = scene.proxy.links
        fault(scene)
        wait_until(partial(scene.proxy.has_closed, links))  # the service has noticed

        with Storm.run(scene.service.port, [WRITE] * POOL, clients=POOL) as storm:
            storm.wait_for_end()

        assert {answer.status for answer in storm.answers} == {201}, fault


def terminate_all_connections(scene: Scene) -> None:
    scene.database.query(TERMINATE.replace(f"= '{NAME}'", f"LIKE '{NAME}%'"))


def test_replaces_all_old_connections_after_one_was_found_silent(scene: Scene) -> None:
    with Storm.run(scene.service.port, cycle([WRITE]), clients=2 * POOL):
        wait_until(lambda: scene.database.query(CONNECTIONS) == str(POOL))
    scene.proxy.silence()

    answers = [scene.ask(WRITE) for _ in range(POOL)]

    assert [answer.status for answer in answers] == [503] + [201] * (POOL - 1)


def test_answers_503_to_a_commit_that_did_not_arrive(scene: Scene) -> None:
    before = scene.count_todos("transaction")
    scene.proxy.cut_at(b"COMMIT;")

    answer = scene.ask(TRANSACTION)

    assert (answer.status, answer.retry_after) == (503, "1")
    assert scene.count_todos("transaction") == before
    scene.assert_no_leaks()


def test_answers_503_to_a_commit_whose_answer_was_lost(scene: Scene) -> None:
    before = scene.count_todos("transaction")
    scene.proxy.silence_at(b"COMMIT;")

    answer = scene.ask(TRANSACTION)

    assert (answer.status, answer.retry_after) == (503, "1")
    assert scene.count_todos("transaction") == before + 1  # the service cannot know that, and does not repeat it
    scene.assert_no_leaks()


def test_answers_503_to_writes_while_the_server_is_a_standby(scene: Scene) -> None:
    scene.database.query("ALTER DATABASE postgres SET default_transaction_read_only = on")
    try:
        scene.database.query(TERMINATE)
        reading = wait_until(lambda: scene.ask(LIST).status == 200)
        answers = [scene.ask(WRITE), scene.ask(WRITE)]
        assert scene.ask(LIST).status == 200
    finally:
        scene.database.query("SET TRANSACTION READ WRITE; ALTER DATABASE postgres RESET default_transaction_read_only")
    writing = wait_until(lambda: scene.ask(WRITE).status == 201)

    note(f"faults, a standby: read after {reading:.2f} s, wrote {writing:.2f} s after there was a primary again")
    assert {(answer.status, answer.retry_after) for answer in answers} == {(503, "1")}
    assert writing < RECOVERY + SLACK
    scene.assert_no_leaks()


def test_answers_503_while_the_server_has_too_many_connections(
    scene: Scene, faulty_project: Path, commands: Commands
) -> None:
    scene.database.query(
        "CREATE ROLE limited LOGIN CONNECTION LIMIT 2; GRANT ALL ON ALL TABLES IN SCHEMA public TO limited; "
        "GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO limited"
    )
    uri = scene.server.uri.replace("postgres@", "limited@")
    with commands.serve(faulty_project, SQLALCHEMY_DATABASE_URI=uri, LOG_FORMAT="json") as service:
        with Storm.run(service.port, cycle([WRITE, LIST])) as storm:
            wait_until(lambda: {200, 201, 503} <= {answer.status for answer in storm.answers})
            scene.database.query("ALTER ROLE limited CONNECTION LIMIT 20")
            back = time.monotonic()
            wait_for_recovery(storm, back)

        check_answers("too many connections", storm.answers, back)
        assert service.events(event="unexpected error") == []


def test_notices_a_dead_network_within_seconds_with_the_default_settings(
    faulty_project: Path, commands: Commands, server: Server
) -> None:
    with (
        Proxy.run(server.uri) as proxy,
        commands.serve(faulty_project, SQLALCHEMY_DATABASE_URI=proxy.uri, LOG_FORMAT="json") as service,
    ):
        client = StormClient(service.port)
        assert client.ask(WRITE).status == 201
        proxy.drop()
        refused = client.ask(WRITE)
        proxy.accept()
        assert client.ask(WRITE).status == 201

        proxy.drop()
        time.sleep(2 * CONNECT + 2)  # the connection is given up even without requests
        proxy.silence()  # otherwise the connection would work again
        proxy.accept()
        written = client.ask(WRITE)
        client.close()

    note(f"faults, a dead network: a write was refused after {refused.seconds:.2f} s")
    assert (refused.status, refused.retry_after) == (503, "1")
    assert refused.seconds < 10
    assert written.status == 201
    assert written.seconds < 10


def test_the_page_names_the_faults_under_test() -> None:
    named = [row[0] for row in read_table("When it is away")]

    assert named == list(FAULTS)
    assert f"sent {RECOVERY:.0f} seconds later" in PAGE
    assert "sends 2000 writes, 10000 every night" in PAGE


def test_the_page_names_the_sqlstates_of_an_unavailable_database(project: Path) -> None:
    code = (project / "chassis" / "persistence" / "errors.py").read_text(encoding="utf-8")
    tests = (project / "chassis" / "tests" / "persistence" / "test_database_faults.py").read_text(encoding="utf-8")
    states = re.findall(r'"(\w+)",  #', code[code.index("_UNAVAILABLE_STATES") :].partition("\n)\n")[0])
    (sentence,) = [line for line in PAGE.splitlines() if "classes of SQLSTATE" in line]

    assert sorted(re.findall(r"\b\w*\d\w*\b|\b3D\b", sentence)) == sorted(states)
    for row in read_table("When it says no"):
        assert not row[1] or f'"{row[1]}"' in tests or row[1] == "53300"


def test_the_page_shows_the_default_timeouts_and_their_sum(project: Path) -> None:
    settings = dict(re.findall(r"^(\w+)=(.*)$", (project / ".env.example").read_text(encoding="utf-8"), re.MULTILINE))
    defaults = {name.strip("`"): default for name, default, *_ in read_table("The timeouts")}
    hypercorn = tomllib.loads((project / "hypercorn.toml").read_text(encoding="utf-8"))
    total = 1 + sum(int(default) for name, default in defaults.items() if name.endswith("TIMEOUT"))

    assert defaults == {name: settings[name] for name in defaults}
    assert f"has ended after {total} seconds" in PAGE
    assert f"({hypercorn['graceful_timeout']} seconds)" in PAGE
    assert total < hypercorn["graceful_timeout"]


def read_table(heading: str) -> list[list[str]]:
    """The cells of the first table below the heading."""
    table = PAGE.partition(f"## {heading}\n")[2].partition("\n|")[2].partition("\n\n")[0]
    rows = [line.strip("|").split("|") for line in table.splitlines()]
    return [[cell.strip() for cell in row] for row in rows[2:]]
