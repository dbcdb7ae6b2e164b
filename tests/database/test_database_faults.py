"""What clients see while PostgreSQL is restarted, killed, frozen, full or out of reach, and how soon it is over.

All under load: a real Hypercorn, a real PostgreSQL, a network in between that breaks for real.
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
STATEMENT = sum(PATIENCE.values()) + CONNECT + 1  # seconds after which each statement has ended, whatever happens
RECOVERY = 2.0
SLACK = 6.0  # seconds, for a machine that does much else
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
WRITES = 10_000
PAGE = (ROOT / "docs" / "database-faults.md").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Scene:
    service: Service
    server: Server
    proxy: Proxy
    database: Database

    def ask(self, ask: Call) -> Answer:
        client = StormClient(self.service.port)
        try:
            return client.ask(ask)
        finally:
            client.close()

    def count(self, title: str) -> int:
        return int(self.database.query(f"SELECT count(*) FROM todo WHERE title = '{title}'"))  # noqa: S608

    def processes(self) -> list[int]:
        return [int(line) for line in self.database.query(PROCESSES).split()]

    def check_for_leaks(self) -> None:
        """Nothing is in use when nobody asks, and the server knows of no more connections than the pool may have."""
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
def _all_is_well(scene: Scene) -> Iterator[None]:
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
    """Makes the server end all other backends, too, and recover from its log."""
    starts = scene.server.log.count(STARTED)
    os.kill(scene.processes()[0], signal.SIGKILL)
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
    """The processes of the server stand still; the kernel goes on taking what is sent to them."""
    processes = scene.processes()
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    time.sleep(STATEMENT)
    for process in processes:
        os.kill(process, signal.SIGCONT)


AWAY = {
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


@pytest.mark.parametrize("fault", AWAY.values())
def test_a_fault_is_503_within_the_timeouts_and_is_over_when_the_database_is_back(
    fault: Callable[[Scene], None], scene: Scene
) -> None:
    with Storm.run(scene.service.port, cycle([WRITE, LIST, TRANSACTION, READY]), clients=8) as storm:
        wait_until(lambda: len(storm.answers) > 50)
        fault(scene)
        back = time.monotonic()
        outlast(storm, back)

    check(fault.__name__, storm.answers, back)
    scene.check_for_leaks()


def outlast(storm: Storm, back: float) -> None:
    """Goes on until there is something to check: a write that succeeded, and requests sent after RECOVERY."""
    storm.limit_clients(POOL)  # then none of them waits for a connection, where the machine stands still for a moment
    wait_until(lambda: any(answer.sent > back and answer.status == 201 for answer in storm.answers))
    time.sleep(max(0.0, back + RECOVERY + 0.5 - time.monotonic()))


def check(fault: str, answers: Sequence[Answer], back: float) -> None:
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


def test_ten_thousand_writes_with_a_kill_in_the_middle_lose_none_that_was_acknowledged(
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


def test_a_pool_that_is_used_up_is_503_and_statements_that_hang_are_cancelled(scene: Scene) -> None:
    waiting: list[Answer] = []

    def refused() -> bool:
        """Not so when one of those that hang has ended first."""
        waiting.append(scene.ask(WRITE))
        return waiting[-1].status == 503

    with Storm.run(scene.service.port, cycle([HANG]), clients=POOL) as hanging:
        wait_until(refused)

    answers = [waiting[-1], *hanging.answers]
    note(
        f"faults, pool used up: refused after {waiting[-1].seconds:.2f} s; "
        f"statements that hang: after {max(answer.seconds for answer in hanging.answers):.2f} s"
    )
    assert {(answer.status, answer.retry_after) for answer in answers} == {(503, "1")}
    assert waiting[-1].seconds < PATIENCE["DATABASE_POOL_TIMEOUT"] + SLACK
    assert max(answer.seconds for answer in hanging.answers) < PATIENCE["DATABASE_STATEMENT_TIMEOUT"] + SLACK
    assert scene.ask(WRITE).status == 201
    scene.check_for_leaks()


def test_clients_that_leave_take_their_statements_with_them(scene: Scene) -> None:
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
    scene.check_for_leaks()


def test_an_idle_pool_that_was_killed_costs_no_request_its_answer(scene: Scene) -> None:
    for fault in (restart, kill_the_server, terminate_all_connections):
        links = scene.proxy.links
        fault(scene)
        wait_until(partial(scene.proxy.has_closed, links))  # the service has been told

        with Storm.run(scene.service.port, [WRITE] * POOL, clients=POOL) as storm:
            storm.wait_for_end()

        assert {answer.status for answer in storm.answers} == {201}, fault


def terminate_all_connections(scene: Scene) -> None:
    scene.database.query(TERMINATE.replace(f"= '{NAME}'", f"LIKE '{NAME}%'"))


def test_one_connection_that_is_silent_gives_away_all_of_its_age(scene: Scene) -> None:
    with Storm.run(scene.service.port, cycle([WRITE]), clients=2 * POOL):
        wait_until(lambda: scene.database.query(CONNECTIONS) == str(POOL))
    scene.proxy.silence()

    answers = [scene.ask(WRITE) for _ in range(POOL)]

    assert [answer.status for answer in answers] == [503] + [201] * (POOL - 1)


def test_a_commit_that_did_not_arrive_is_503_and_not_stored(scene: Scene) -> None:
    before = scene.count("transaction")
    scene.proxy.cut_at(b"COMMIT;")

    answer = scene.ask(TRANSACTION)

    assert (answer.status, answer.retry_after) == (503, "1")
    assert scene.count("transaction") == before
    scene.check_for_leaks()


def test_a_commit_whose_answer_was_lost_is_503_and_stored(scene: Scene) -> None:
    before = scene.count("transaction")
    scene.proxy.silence_at(b"COMMIT;")

    answer = scene.ask(TRANSACTION)

    assert (answer.status, answer.retry_after) == (503, "1")
    assert scene.count("transaction") == before + 1  # nobody can know, so nothing is repeated
    scene.check_for_leaks()


def test_a_server_that_became_a_standby_is_503_for_writes_until_there_is_a_primary_again(scene: Scene) -> None:
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
    scene.check_for_leaks()


def test_too_many_connections_are_503_until_there_are_less(
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
            outlast(storm, back)

        check("too many connections", storm.answers, back)
        assert service.events(event="unexpected error") == []


def test_with_the_defaults_a_dead_network_is_noticed_long_before_a_statement_takes_too_long(
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
        time.sleep(2 * CONNECT + 2)  # nobody asks, and the connection is given up all the same
        proxy.silence()  # else it would work again
        proxy.accept()
        written = client.ask(WRITE)
        client.close()

    note(f"faults, a dead network: a write was refused after {refused.seconds:.2f} s")
    assert (refused.status, refused.retry_after) == (503, "1")
    assert refused.seconds < 10
    assert written.status == 201
    assert written.seconds < 10


def test_the_page_names_the_faults_that_are_made_here() -> None:
    away = [row[0] for row in table("When it is away")]

    assert away == list(AWAY)
    assert f"sent {RECOVERY:.0f} seconds later" in PAGE
    assert f"sends {WRITES} writes" in PAGE


def test_the_page_names_the_states_that_are_taken_for_the_fault_of_the_database(project: Path) -> None:
    code = (project / "src" / "infrastructure" / "databases" / "errors.py").read_text(encoding="utf-8")
    tests = (project / "tests" / "infrastructure" / "test_database_faults.py").read_text(encoding="utf-8")
    states = re.findall(r'"(\w+)",  #', code[code.index("_UNAVAILABLE_STATES") :].partition("\n)\n")[0])
    (sentence,) = [line for line in PAGE.splitlines() if "classes of SQLSTATE" in line]

    assert sorted(re.findall(r"\b\w*\d\w*\b|\b3D\b", sentence)) == sorted(states)
    for row in table("When it says no"):
        assert not row[1] or f'"{row[1]}"' in tests or row[1] == "53300"


def test_the_page_has_the_defaults_of_the_timeouts_and_what_they_add_up_to(project: Path) -> None:
    settings = dict(re.findall(r"^(\w+)=(.*)$", (project / ".env.example").read_text(encoding="utf-8"), re.MULTILINE))
    defaults = {name.strip("`"): default for name, default, *_ in table("The timeouts")}
    hypercorn = tomllib.loads((project / "hypercorn.toml").read_text(encoding="utf-8"))
    whatever_happens = 1 + sum(int(default) for name, default in defaults.items() if name.endswith("TIMEOUT"))

    assert defaults == {name: settings[name] for name in defaults}
    assert f"has ended after {whatever_happens} seconds" in PAGE
    assert f"({hypercorn['graceful_timeout']} seconds)" in PAGE
    assert whatever_happens < hypercorn["graceful_timeout"]


def table(heading: str) -> list[list[str]]:
    """The cells of the first table below the heading."""
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]
