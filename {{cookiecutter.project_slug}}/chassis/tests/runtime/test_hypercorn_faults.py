"""Faults of Hypercorn itself; a test that fails here shows that chassis/runtime/hypercorn.py mends one needlessly."""

import logging
import time
from collections.abc import Iterator
from importlib.metadata import version
from socket import SHUT_WR

import pytest

from chassis.runtime.hypercorn import VERSIONS
from chassis.tests.runtime.bad_requests import (
    BROKEN_HANDSHAKES,
    CHUNKS,
    H2C,
    HTTP_2,
    MESSAGE,
    WEBSOCKET,
    encode_get,
    reset,
)
from chassis.tests.runtime.hypercorn_thread import PAUSE, HypercornThread, receive_all, run_hypercorn, wait_until


@pytest.fixture(name="server")
def _server() -> Iterator[HypercornThread]:
    with run_hypercorn("uvloop", keep_alive_timeout=60) as server:
        yield server


def test_is_the_version_that_the_chassis_hardens() -> None:
    assert version("hypercorn").startswith(VERSIONS)


def test_switches_to_http_2_for_anybody(server: HypercornThread) -> None:
    with server.connect() as client:
        client.sendall(encode_get("/", *H2C))

        assert client.recv(12) == b"HTTP/1.1 101"


def test_speaks_http_2_with_whoever_begins_with_it(server: HypercornThread) -> None:
    with server.connect() as client:
        client.sendall(HTTP_2)

        assert client.recv(4) == bytes([0, 0, 42, 4])  # the frame with its settings


def test_takes_a_method_for_another_one(server: HypercornThread) -> None:
    with server.connect() as client:
        client.sendall(encode_get("/").replace(b"GET", b"get"))

        assert client.recv(12) == b"HTTP/1.1 200"


@pytest.mark.parametrize("headers", BROKEN_HANDSHAKES)
def test_logs_a_traceback_for_a_broken_handshake(
    server: HypercornThread, headers: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    with server.connect() as client:
        client.sendall(encode_get("/", *headers))

        wait_until(lambda: any(record.levelno >= logging.ERROR for record in caplog.records))


def test_keeps_the_connection_of_a_client_that_has_left(server: HypercornThread) -> None:
    server.connect().close()
    time.sleep(PAUSE)

    assert server.connections == 1


def test_ends_a_request_when_its_client_has_closed_its_sending_side(server: HypercornThread) -> None:
    with server.connect() as client:
        client.sendall(encode_get("/slow"))
        client.shutdown(SHUT_WR)

        assert receive_all(client) == b""


def test_lets_an_endless_stream_block_all_tasks_when_its_client_has_left(server: HypercornThread) -> None:
    with server.connect() as client:
        client.sendall(encode_get("/endless"))
        client.recv(100)
        reset(client)
    with server.connect() as other:
        other.settimeout(2 * PAUSE)
        other.sendall(encode_get("/"))

        with pytest.raises(TimeoutError):
            other.recv(100)


def test_answers_all_requests_of_a_client_that_has_left(server: HypercornThread) -> None:
    with server.connect() as client:
        client.sendall(encode_get("/ignore") + encode_get("/") * 100)
        time.sleep(PAUSE / 2)
        reset(client)
    time.sleep(2 * PAUSE)

    assert len(server.application.paths) == 101


def test_keeps_a_connection_whose_next_request_waits_when_its_client_leaves(server: HypercornThread) -> None:
    with server.connect() as client:
        client.sendall(encode_get("/endless") + encode_get("/"))
        client.recv(100)
    server.application.must_stop.set()
    time.sleep(PAUSE)

    assert server.connections == 1


@pytest.mark.parametrize("flood", [CHUNKS, encode_get("/", *WEBSOCKET) + MESSAGE * 1000], ids=["body", "websocket"])
def test_keeps_a_connection_whose_messages_nobody_receives(server: HypercornThread, flood: bytes) -> None:
    with server.connect() as client:
        client.sendall(flood)
        time.sleep(2 * PAUSE)
    time.sleep(PAUSE)

    assert server.connections == 1


def test_keeps_a_websocket_whose_client_sends_a_message_too_early(server: HypercornThread) -> None:
    with server.connect() as client:
        client.sendall(encode_get("/", *WEBSOCKET) + MESSAGE)
        client.recv(100)
    time.sleep(PAUSE)

    assert server.connections == 1
