"""Clients that connect often, leave early, or keep their connections must not use up the descriptors of a service."""

import resource
import struct
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from socket import SHUT_WR, SO_LINGER, SOL_SOCKET, create_connection, socket

import pytest

from support.applications import add_controller
from support.nightly import first_unless_nightly
from support.postgres import Postgres
from support.raw_http import WEBSOCKET_HEADERS, encode, receive_all, receive_head, statuses
from support.report import note
from support.service import HYPERCORN, Commands, Service
from support.template import Generate
from support.waiting import wait_until

pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="NO /proc: descriptors are not counted")

LIVE = encode("GET /health/live")
LAST = encode("GET /health/live", "Connection: close")
WEBSOCKET = encode("GET /lifetime/first-message", "Connection: Upgrade", "Upgrade: websocket", *WEBSOCKET_HEADERS)
MESSAGE = b"\x81\x81\0\0\0\0a"
DESCRIPTORS = 1024
LIMIT = "connection limit reached"
A_FEW_SECONDS = 8.0  # 5 s in chassis/runtime/hypercorn.py, on a busy machine
HALF_CLOSED = 10.0  # seconds, in chassis/runtime/hypercorn.py


@pytest.fixture(name="descriptors_of_tests", scope="module", autouse=True)
def _descriptors_of_tests() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(before[1], 4096), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.fixture(name="lifetime_project", scope="module")
def _lifetime_project(generate: Generate) -> Path:
    project = generate()
    add_controller(project, "lifetime")
    return project


@pytest.fixture(name="service", scope="module", params=first_unless_nightly(["uvloop", "asyncio"]))
def _service(
    request: pytest.FixtureRequest, lifetime_project: Path, commands: Commands, postgres: Postgres
) -> Iterator[Service]:
    hypercorn = " ".join([*HYPERCORN, "--worker-class", request.param])
    settings = {"APP_ENV": "production", "LOG_FORMAT": "json", "SQLALCHEMY_DATABASE_URI": postgres.create_database()}
    command = ["sh", "-c", f"ulimit -n {DESCRIPTORS}; exec {hypercorn}"]
    with commands.serve(lifetime_project, *command, **settings) as service:
        yield service


@pytest.fixture(name="descriptors", autouse=True)
def _descriptors(service: Service) -> Iterator[int]:
    """The descriptors of the service before the test; after it they are free again, and no error is in the log."""
    service.http.close()
    before, errors = count_descriptors(service), len(service.events(level="error"))
    yield before
    wait_until(lambda: count_descriptors(service) <= before + 2, 2 * HALF_CLOSED)
    assert len(service.events(level="error")) == errors
    assert "Traceback" not in service.output


def count_descriptors(service: Service) -> int:
    return len(list(Path(f"/proc/{service.process.pid}/fd").iterdir()))


def connect(service: Service) -> socket:
    return create_connection(("127.0.0.1", service.port), timeout=30)


def ask(service: Service, request: bytes = LAST) -> int:
    with connect(service) as client:
        client.sendall(request)
        return statuses(receive_head(client))[0]


@contextmanager
def many(service: Service, number: int, request: bytes = b"") -> Iterator[list[socket]]:
    """Keep this number of connections open, each after this request."""
    with ExitStack() as stack, ThreadPoolExecutor(8) as pool:
        clients = list(pool.map(lambda _: stack.enter_context(connect(service)), range(number)))
        for client in clients:
            with suppress(ConnectionError):
                client.sendall(request)
        yield clients


def reset(client: socket) -> None:
    client.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def test_serves_more_clients_than_it_has_descriptors_if_each_leaves_after_its_answer(
    service: Service, descriptors: int
) -> None:
    highest = descriptors
    for number in range(1500):
        assert ask(service, LIVE) == 200
        if number % 100 == 0:
            highest = max(highest, count_descriptors(service))

    assert highest < descriptors + 20
    note(f"1500 clients that leave after their answer: {highest - descriptors} descriptors more at most")


def test_frees_the_descriptor_as_soon_as_the_client_has_left(service: Service, descriptors: int) -> None:
    with many(service, 100, LIVE) as clients:
        for client in clients:
            receive_head(client)
        assert count_descriptors(service) >= descriptors + 100

    wait_until(lambda: count_descriptors(service) <= descriptors + 2, 1)


def test_ends_connections_that_only_connect(service: Service, descriptors: int) -> None:
    with many(service, 1500) as clients:
        assert ask(service) == 200
        for client in clients:
            assert receive_all(client) == b""

        wait_until(lambda: count_descriptors(service) <= descriptors + 2, A_FEW_SECONDS)


def test_ends_a_connection_whose_headers_arrive_byte_by_byte(service: Service) -> None:
    started = time.monotonic()
    with connect(service) as client, pytest.raises(ConnectionError):
        send_slowly(client, encode("GET /health/live", "X: " + "a" * 1000))

    assert time.monotonic() - started < A_FEW_SECONDS


def send_slowly(client: socket, data: bytes) -> None:
    for byte in data:
        client.sendall(bytes([byte]))
        time.sleep(0.1)


def test_keeps_a_connection_between_requests_for_longer(service: Service) -> None:
    with connect(service) as client:
        for pause in (A_FEW_SECONDS, 0):
            client.sendall(LIVE)
            assert statuses(receive_head(client)) == [200]
            time.sleep(pause)


def test_refuses_connections_before_its_descriptors_run_out(service: Service) -> None:
    lines = len(service.events(event=LIMIT))
    with many(service, 1100, encode("GET /lifetime/seconds/6")) as clients:
        wait_until(lambda: bool(service.events(event=LIMIT)[lines:] or lines))
        during = {ask(service) for _ in range(5)}
        answers = Counter(status for client in clients for status in statuses(receive_head(client)))

    assert ask(service) == 200
    assert during <= {200, 503}
    assert answers[200] > 300
    assert len(service.events(event=LIMIT)) - lines <= 1
    note(f"1100 slow requests with {DESCRIPTORS} descriptors: {dict(answers)}")


def test_answers_a_client_that_has_closed_its_sending_side(service: Service) -> None:
    with connect(service) as client:
        client.sendall(encode("GET /lifetime/seconds/3"))
        client.shutdown(SHUT_WR)

        assert statuses(receive_all(client)) == [200]


@pytest.mark.parametrize("path", ["seconds/3600", "silent-stream", "endless-stream"])
@pytest.mark.parametrize("leave", [socket.close, reset])
def test_cancels_what_a_client_that_has_left_asked_for(
    service: Service, descriptors: int, path: str, leave: Callable[[socket], None]
) -> None:
    begun = service.output.count("begun")
    with connect(service) as client:
        client.sendall(encode(f"GET /lifetime/{path}"))
        wait_until(lambda: service.output.count("begun") > begun)
        leave(client)

    assert ask(service) == 200  # an endless stream blocks nobody
    wait_until(lambda: count_descriptors(service) <= descriptors + 2, HALF_CLOSED + A_FEW_SECONDS)


def test_frees_a_connection_whose_next_request_waits_when_its_client_leaves(service: Service, descriptors: int) -> None:
    with connect(service) as client:
        client.sendall(encode("GET /lifetime/endless-stream") + LIVE)
        client.recv(1000)

    wait_until(lambda: count_descriptors(service) <= descriptors + 2, A_FEW_SECONDS)


@pytest.mark.parametrize("early", [True, False], ids=["before the handshake", "after the handshake"])
def test_frees_a_websocket_whose_messages_nobody_receives(service: Service, descriptors: int, early: bool) -> None:
    with connect(service) as client, suppress(ConnectionError):
        client.sendall(WEBSOCKET + (MESSAGE if early else b""))
        receive_head(client)
        for _ in range(100):
            client.sendall(MESSAGE * 1000)

    wait_until(lambda: count_descriptors(service) <= descriptors + 2, A_FEW_SECONDS)


def test_frees_a_refused_connection_that_goes_on_sending_small_chunks(service: Service, descriptors: int) -> None:
    """The server gives the client five seconds for the rest of its body."""
    chunks = b"1\r\na\r\n" * 10_000
    with connect(service) as client, suppress(ConnectionError):
        client.sendall(encode("POST /v1/todo", "Transfer-Encoding: chunked", host="a..b"))
        end = time.monotonic() + A_FEW_SECONDS
        while time.monotonic() < end:
            client.sendall(chunks)

    wait_until(lambda: count_descriptors(service) <= descriptors + 2, A_FEW_SECONDS)
