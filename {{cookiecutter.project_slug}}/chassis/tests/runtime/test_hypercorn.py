"""Hypercorn with the classes of chassis/runtime/hypercorn.py; test_hypercorn_faults.py shows it without them."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from socket import SHUT_WR

import hypercorn.asyncio.run
import hypercorn.protocol
import pytest
from hypercorn.asyncio.task_group import TaskGroup
from hypercorn.asyncio.worker_context import AsyncioSingleTask
from hypercorn.config import Config

import chassis.runtime.hypercorn
import chassis.runtime.hypercorn_protocol
import chassis.runtime.stalled_client
from chassis.runtime.connection_limit import ConnectionLimit, RareWarning
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
from chassis.tests.runtime.hypercorn_thread import (
    LOOPS,
    PAUSE,
    HypercornThread,
    receive_all,
    receive_answer,
    run_hypercorn,
    wait_until,
)

CLOSE = "Connection: close"


@pytest.fixture(name="hardened")
def _hardened(monkeypatch: pytest.MonkeyPatch) -> None:
    """Harden Hypercorn for one test, with limits that a test can wait for."""
    for owner, name in (
        (hypercorn.asyncio.run, "TCPServer"),
        (hypercorn.protocol, "H11Protocol"),
        (Config, "alpn_protocols"),
    ):
        monkeypatch.setattr(owner, name, getattr(owner, name))
    monkeypatch.setattr(logging.getLogger("asyncio"), "filters", [])
    monkeypatch.setattr(chassis.runtime.hypercorn, "REQUEST_SECONDS", 2 * PAUSE)
    monkeypatch.setattr(chassis.runtime.hypercorn, "HALF_CLOSED_SECONDS", 2 * PAUSE)
    monkeypatch.setattr(chassis.runtime.stalled_client, "STALLED_SECONDS", PAUSE)
    monkeypatch.setattr(chassis.runtime.hypercorn_protocol, "http2_warning", RareWarning("HTTP/2 is refused"))
    chassis.runtime.hypercorn.harden()


@pytest.fixture(name="server", params=LOOPS)
def _server(
    request: pytest.FixtureRequest, hardened: None, caplog: pytest.LogCaptureFixture
) -> Iterator[HypercornThread]:
    """A server that has no connections and has logged no errors at the end."""
    with run_hypercorn(request.param, keep_alive_timeout=60) as server:
        yield server
        wait_until(lambda: server.connections == 0)
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_ignores_an_upgrade_to_http_2(server: HypercornThread) -> None:
    answer = server.send(encode_get("/", *H2C) + encode_get("/", CLOSE))

    assert answer.count(b"HTTP/1.1 200") == 2


def test_refuses_http_2_with_one_line_in_the_log(server: HypercornThread, caplog: pytest.LogCaptureFixture) -> None:
    answers = [server.send(HTTP_2) for _ in range(3)]

    assert [answer[:12] for answer in answers] == [b"HTTP/1.1 505"] * 3
    assert [record.levelname for record in caplog.records if "HTTP/2" in record.getMessage()] == ["WARNING"]


@pytest.mark.parametrize("version", [b"HTTP/2.0", b"HTTP/3.0", b"HTTP/0.9"])
def test_refuses_other_versions_of_http(server: HypercornThread, version: bytes) -> None:
    assert server.send(encode_get("/").replace(b"HTTP/1.1", version)).startswith(b"HTTP/1.1 505")


@pytest.mark.parametrize("method", [b"get", b"head", b"Get", b"g\xe9t", b"G T"])
def test_refuses_a_method_that_is_not_in_capital_letters(server: HypercornThread, method: bytes) -> None:
    assert server.send(encode_get("/").replace(b"GET", method)).startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize("headers", BROKEN_HANDSHAKES)
def test_refuses_a_broken_handshake(server: HypercornThread, headers: list[str]) -> None:
    assert server.send(encode_get("/", *headers)).startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize("headers", [WEBSOCKET[:2], [*WEBSOCKET[:2], *WEBSOCKET[3:]]], ids=["no key", "no version"])
def test_closes_the_connection_after_half_a_handshake(server: HypercornThread, headers: list[str]) -> None:
    assert server.send(encode_get("/", *headers)).startswith(b"HTTP/1.1 400")


def test_closes_a_websocket_whose_client_sends_a_message_too_early(server: HypercornThread) -> None:
    assert server.send(encode_get("/", *WEBSOCKET) + MESSAGE).startswith(b"HTTP/1.1 400")


def test_frees_the_connection_of_a_client_that_has_left(server: HypercornThread) -> None:
    with server.connect() as client:
        client.sendall(encode_get("/"))
        receive_answer(client)
    wait_until(lambda: server.connections == 0, PAUSE)


def test_closes_a_connection_without_a_request(server: HypercornThread) -> None:
    with server.connect() as client:
        assert receive_all(client) == b""


def test_keeps_a_connection_open_between_requests(server: HypercornThread) -> None:
    with server.connect() as client:
        for _ in range(2):
            client.sendall(encode_get("/"))
            assert receive_answer(client).startswith(b"HTTP/1.1 200")
            time.sleep(3 * PAUSE)


def test_waits_for_requests_with_one_task_for_each_connection(
    server: HypercornThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    actions: list[object] = []
    restart = AsyncioSingleTask.restart

    async def count_and_restart(task: AsyncioSingleTask, task_group: TaskGroup, action: Callable[[], object]) -> None:
        actions.append(action)
        await restart(task, task_group, action)

    monkeypatch.setattr(AsyncioSingleTask, "restart", count_and_restart)
    with server.connect() as client:
        for _ in range(3):
            client.sendall(encode_get("/"))
            receive_answer(client)

    assert len(actions) == 1


def test_writes_the_head_of_an_answer_together_with_its_body(
    server: HypercornThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[bytes] = []
    write = asyncio.StreamWriter.write

    def record_and_write(writer: asyncio.StreamWriter, data: bytes) -> None:
        written.append(data)
        write(writer, data)

    monkeypatch.setattr(asyncio.StreamWriter, "write", record_and_write)
    server.send(encode_get("/", CLOSE))

    assert written[0].startswith(b"HTTP/1.1 200")
    assert b"end" in written[0]


def test_sends_the_head_of_a_stream_before_its_first_part(server: HypercornThread) -> None:
    with server.connect() as client:
        client.sendall(encode_get("/events"))

        assert client.recv(1000).endswith(b"\r\n\r\n")


@pytest.mark.parametrize("earlier_requests", [0, 1])
def test_closes_a_connection_whose_headers_arrive_byte_by_byte(server: HypercornThread, earlier_requests: int) -> None:
    with server.connect() as client:
        for _ in range(earlier_requests):
            client.sendall(encode_get("/"))
            receive_answer(client)
        started = time.monotonic()
        with pytest.raises(ConnectionError):
            for byte in encode_get("/", "X: " + "a" * 1000):
                client.sendall(bytes([byte]))
                time.sleep(PAUSE / 10)

    assert time.monotonic() - started < 5 * PAUSE


@pytest.mark.parametrize("requests", [1, 3])
def test_answers_a_client_that_has_closed_its_sending_side(server: HypercornThread, requests: int) -> None:
    with server.connect() as client:
        client.sendall(encode_get("/slow") * requests)
        client.shutdown(SHUT_WR)

        assert receive_all(client).count(b"end\r\n") == requests


def test_streams_to_a_client_that_has_closed_its_sending_side(server: HypercornThread) -> None:
    with server.connect() as client:
        client.sendall(encode_get("/events"))
        client.shutdown(SHUT_WR)

        assert receive_all(client).endswith(b"event\r\n3\r\nend\r\n0\r\n\r\n")


def test_ends_a_silent_request_of_a_client_that_has_left(server: HypercornThread) -> None:
    with server.connect() as client:
        client.sendall(encode_get("/silent"))

    wait_until(lambda: server.application.left == ["/silent"], 4 * PAUSE)


def test_refuses_a_request_whose_body_has_ended_too_early(server: HypercornThread) -> None:
    with server.connect() as client:
        client.sendall(encode_get("/silent", "Content-Length: 10").replace(b"GET", b"POST"))
        client.shutdown(SHUT_WR)

        assert receive_all(client).startswith(b"HTTP/1.1 400")
    wait_until(lambda: server.application.left == ["/silent"], PAUSE)


def test_serves_others_while_an_endless_stream_has_lost_its_client(server: HypercornThread) -> None:
    with server.connect() as client:
        client.sendall(encode_get("/endless"))
        client.recv(100)
        reset(client)

    assert server.send(encode_get("/", CLOSE)).startswith(b"HTTP/1.1 200")
    wait_until(lambda: server.application.left[:1] == ["/endless"])


def test_skips_the_other_requests_of_a_client_that_has_left(server: HypercornThread) -> None:
    with server.connect() as client:
        client.sendall(encode_get("/slow") + encode_get("/") * 100)
        time.sleep(PAUSE / 2)
        reset(client)
    wait_until(lambda: server.connections == 0)

    assert server.application.paths == ["/slow"]


@pytest.mark.parametrize("flood", [CHUNKS, encode_get("/", *WEBSOCKET)], ids=["body", "websocket"])
def test_frees_a_connection_whose_messages_nobody_receives(server: HypercornThread, flood: bytes) -> None:
    with server.connect() as client:
        client.sendall(flood)
        if flood != CHUNKS:
            client.recv(1000)
            client.sendall(MESSAGE * 1000)
        receive_all(client)

    wait_until(lambda: server.connections == 0)


def test_aborts_the_connection_of_a_client_that_reads_nothing(server: HypercornThread) -> None:
    with server.connect() as client:
        client.sendall(encode_get("/endless"))
        wait_until(lambda: server.connections == 1)

        wait_until(lambda: server.connections == 0)


def test_replaces_the_connection_that_has_been_idle_for_longest(server: HypercornThread) -> None:
    chassis.runtime.hypercorn.Connection.limit = ConnectionLimit(2)
    with server.connect() as oldest, server.connect() as idle:
        oldest.sendall(encode_get("/events", CLOSE))
        wait_until(lambda: server.application.paths == ["/events"])

        assert server.send(encode_get("/", CLOSE)).startswith(b"HTTP/1.1 200")
        assert receive_all(idle) == b""
        assert receive_all(oldest).endswith(b"end\r\n0\r\n\r\n")


def test_refuses_a_connection_when_all_others_are_active(
    server: HypercornThread, caplog: pytest.LogCaptureFixture
) -> None:
    chassis.runtime.hypercorn.Connection.limit = ConnectionLimit(1)
    with server.connect() as client:
        client.sendall(encode_get("/slow"))
        wait_until(lambda: server.application.paths == ["/slow"])
        refusals = [server.send(b"") for _ in range(3)]
        receive_answer(client)

        assert server.send(encode_get("/", CLOSE)).startswith(b"HTTP/1.1 200")

    assert [refusal[:12] for refusal in refusals] == [b"HTTP/1.1 503"] * 3
    assert len([record for record in caplog.records if "connection limit" in record.getMessage()]) == 1


@pytest.mark.usefixtures("hardened")
def test_offers_no_http_2_over_tls_unless_a_setting_asks_for_it() -> None:
    assert Config().alpn_protocols == ["http/1.1"]
    assert Config.from_mapping(alpn_protocols=["h2"]).alpn_protocols == ["h2"]


def test_leaves_other_versions_as_they_are(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    before = vars(hypercorn.asyncio.run)["TCPServer"]
    monkeypatch.setattr(chassis.runtime.hypercorn, "version", lambda _: "0.19.0")

    chassis.runtime.hypercorn.harden()

    assert vars(hypercorn.asyncio.run)["TCPServer"] is before
    assert "not hardened" in caplog.text


def test_logs_once_that_descriptors_have_run_out(hardened: None, caplog: pytest.LogCaptureFixture) -> None:
    loop = asyncio.new_event_loop()
    for _ in range(3):
        loop.call_exception_handler({"message": "socket.accept() out of system resource", "exception": OSError()})
    loop.close()

    assert [record.levelname for record in caplog.records] == ["WARNING"]
