"""`/health/ready` while the pool of one connection is used up, or the database is locked, killed or cut off.

A migration that waited for a lock once made all pools wait behind it, and the proxy took all instances out.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.applications import add_controller
from support.database_server import Database, Server
from support.faults import Proxy
from support.instances import Call
from support.report import note
from support.service import Commands, Service
from support.storm import Answer, StormClient
from support.template import Generate
from support.waiting import wait_until

pytestmark = pytest.mark.alone

NAME = "probed"
POOL = 1
LIMIT = 1.0  # seconds until a probe is answered
SLACK = 0.3  # of a busy machine
PROBING = 4.0  # seconds of each fault
WRITE: Call = ("POST", "/v1/todo", {"title": "a"})
READY: Call = ("GET", "/health/ready", None)
HANG: Call = ("GET", "/fault/hang", None)
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
HANGING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
PROBES = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'probed probe'"


@dataclass(frozen=True)
class Scene:
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

    @property
    def is_ready(self) -> bool:
        return self.ask(READY).status == 200

    def probe(self) -> list[Answer]:
        """The answers to probes that are sent one after the other."""
        answers, deadline = list[Answer](), time.monotonic() + PROBING
        while time.monotonic() < deadline:
            answers.append(self.ask(READY))
            time.sleep(0.1)
        return answers


@pytest.fixture(name="scene", scope="module")
def _scene(generate: Generate, commands: Commands, server: Server) -> Iterator[Scene]:
    project: Path = generate()
    add_controller(project, "fault")
    settings = {"SERVICE_NAME": NAME, "DATABASE_POOL_SIZE": str(POOL), "LOG_FORMAT": "json"}
    with (
        Proxy.run(server.uri) as proxy,
        commands.serve(project, SQLALCHEMY_DATABASE_URI=proxy.uri, **settings) as service,
    ):
        yield Scene(service, server, proxy, Database(commands, server.uri))


@pytest.fixture(autouse=True)
def _restore(scene: Scene) -> Iterator[None]:
    wait_until(lambda: scene.is_ready)
    yield
    scene.server.start()
    scene.proxy.accept()
    wait_until(lambda: scene.is_ready)


@contextmanager
def hanging_statement(scene: Scene) -> Iterator[None]:
    with ThreadPoolExecutor() as pool:
        hanging = pool.submit(scene.ask, HANG)
        wait_until(lambda: scene.database.query(HANGING) == "1")
        yield
        scene.database.query(HANGING.replace("count(*)", "pg_cancel_backend(pid)"))
        hanging.result()


@contextmanager
def locked_table(scene: Scene) -> Iterator[None]:
    with ThreadPoolExecutor() as pool:
        with scene.database.transaction("LOCK TABLE todo IN ACCESS EXCLUSIVE MODE"):
            waiting = [pool.submit(scene.ask, WRITE) for _ in range(5 * POOL)]
            wait_until(lambda: scene.database.query(WAITING) == str(POOL))
            yield
        for each in waiting:
            each.result()


@pytest.mark.parametrize("busy", [hanging_statement, locked_table])
def test_is_ready_within_a_second_while_the_pool_is_used_up(
    busy: Callable[[Scene], AbstractContextManager[None]], scene: Scene
) -> None:
    with busy(scene):
        answers = scene.probe()

    report(busy.__name__, answers)
    assert {answer.status for answer in answers} == {200}
    assert max(answer.seconds for answer in answers) < LIMIT + SLACK


def kill(scene: Scene) -> None:
    scene.server.kill()


def refuse(scene: Scene) -> None:
    scene.proxy.refuse()


def make_half_open(scene: Scene) -> None:
    """Pass nothing on any connection, old or new, while TCP still acknowledges."""
    scene.proxy.black_hole()


def drop_packets(scene: Scene) -> None:
    scene.proxy.drop()


@pytest.mark.parametrize("fault", [kill, refuse, make_half_open, drop_packets])
def test_is_not_ready_within_a_second_and_says_why_while_the_database_is_away(
    fault: Callable[[Scene], None], scene: Scene
) -> None:
    fault(scene)
    answers = scene.probe()
    scene.server.start()
    scene.proxy.accept()
    back = wait_until(lambda: scene.is_ready)

    report(f"{fault.__name__}, ready again after {back:.1f} s", answers)
    assert {answer.status for answer in answers} == {503}
    assert all("The database" in answer.body["error_message"] for answer in answers)
    assert max(answer.seconds for answer in answers) < LIMIT + SLACK
    assert scene.service.events(event="unexpected error") == []


def test_a_connection_that_is_half_open_is_replaced(scene: Scene) -> None:
    scene.proxy.silence()  # new connections pass
    started = time.monotonic()
    answers = [scene.ask(READY)]
    back = wait_until(lambda: scene.is_ready)

    report(f"one half-open connection, ready again after {time.monotonic() - started:.1f} s", answers)
    assert answers[0].seconds < LIMIT + SLACK
    assert back < PROBING


def test_the_probe_has_one_connection_with_a_name_of_its_own(scene: Scene) -> None:
    started = scene.database.query("SELECT now()")
    with ThreadPoolExecutor(16) as pool:
        assert {answer.status for answer in pool.map(scene.ask, [READY] * 200)} == {200}

    # PostgreSQL has not noticed yet that the half-open connections of other tests are gone.
    assert scene.database.query(f"{PROBES} AND state_change > '{started}'") == "1"


def report(situation: str, answers: list[Answer]) -> None:
    slowest = max(answer.seconds for answer in answers)
    note(f"readiness, {situation}: {len(answers)} probes, the slowest answered after {slowest:.2f} s")
