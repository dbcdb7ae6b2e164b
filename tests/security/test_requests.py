"""Requests that are ambiguous, malformed or never complete: each gets one answer, and none is logged as an error."""

import time
from collections.abc import Iterator
from contextlib import suppress
from socket import SHUT_WR, create_connection

import pytest

from support.applications import add_controller
from support.postgres import Postgres
from support.raw_http import WEBSOCKET_HEADERS, encode, receive_all, statuses
from support.service import Commands, Service
from support.template import Generate

SMUGGLED = encode("GET /smuggled")
CLOSE = "Connection: close"
JSON = "Content-Type: application/json"
CHUNKED = "Transfer-Encoding: chunked"
WEBSOCKET = ("Connection: Upgrade", "Upgrade: websocket", *WEBSOCKET_HEADERS)

METHODS = {"get": 400, "head": 400, "Post": 400, "g\xe9t": 400, "G(T": 400, "": 400, "FROB": 405, "TRACE": 405}
HANDSHAKES = {
    "a subprotocol in raw bytes": "Sec-WebSocket-Protocol: \xff",
    "an extension in raw bytes": "Sec-WebSocket-Extensions: \xff",
    "a window without a number": "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=a",
}
# Each has a second request in the part of which two servers could disagree where it ends.
AMBIGUOUS = {
    "a length and chunks": encode("POST /v1/todo", JSON, "Content-Length: 5", CHUNKED, body=b"0\r\n\r\n" + SMUGGLED),
    "chunks and a length": encode("POST /v1/todo", JSON, CHUNKED, "Content-Length: 5", body=b"0\r\n\r\n" + SMUGGLED),
    "two lengths": encode("POST /v1/todo", JSON, "Content-Length: 0", "Content-Length: 60", body=SMUGGLED),
    "a list of lengths": encode("POST /v1/todo", JSON, "Content-Length: 0, 60", body=SMUGGLED),
    "a length with a sign": encode("POST /v1/todo", JSON, "Content-Length: +0", body=SMUGGLED),
    "a folded coding": encode("POST /v1/todo", JSON, "Transfer-Encoding:\r\n chunked, gzip", body=SMUGGLED),
    "a coding with a space": encode("POST /v1/todo", JSON, "Transfer-Encoding : chunked", body=SMUGGLED),
    "a coding that is misspelled": encode("POST /v1/todo", JSON, "Transfer-Encoding: xchunked", body=SMUGGLED),
    "two codings": encode("POST /v1/todo", JSON, CHUNKED, "Transfer-Encoding: identity", body=b"0\r\n\r\n" + SMUGGLED),
    "a coding in HTTP/1.0": encode("POST /v1/todo", JSON, CHUNKED, body=SMUGGLED).replace(b"/1.1", b"/1.0", 1),
    "a bare line feed after a chunk": encode("POST /v1/todo", JSON, CHUNKED, body=b"1\r\naXX0\r\n\r\n" + SMUGGLED),
    "a chunk length of 17 digits": encode("POST /v1/todo", JSON, CHUNKED, body=b"1" * 21 + b"\r\n" + SMUGGLED),
    "a bare carriage return": encode("GET /health/live", "X: a\rTransfer-Encoding: chunked", body=SMUGGLED),
    "a header before the host": b"GET /health/live HTTP/1.1\r\n Host: a\r\n\r\n" + SMUGGLED,
}


@pytest.fixture(name="service", scope="module")
def _service(generate: Generate, commands: Commands, postgres: Postgres) -> Iterator[Service]:
    project = generate()
    add_controller(project, "lifetime")
    settings = {"APP_ENV": "production", "LOG_FORMAT": "json", "SQLALCHEMY_DATABASE_URI": postgres.create_database()}
    with commands.serve(project, **settings) as service:
        yield service


@pytest.fixture(name="silent", autouse=True)
def _silent(service: Service, request: pytest.FixtureRequest) -> Iterator[None]:
    """No test makes the service log an error, except one that says so."""
    before = service.events(level="error")
    yield
    if "broken" not in request.node.name:
        assert service.events(level="error") == before
        assert "Traceback" not in service.output


def exchange(service: Service, data: bytes) -> bytes:
    """Send the data, close the sending side, and return everything that arrives."""
    with create_connection(("127.0.0.1", service.port), timeout=60) as client:
        with suppress(ConnectionError):  # the server may have refused it before the end
            client.sendall(data)
            client.shutdown(SHUT_WR)
        return receive_all(client)


@pytest.mark.parametrize(("method", "status"), METHODS.items())
def test_refuses_a_method_that_it_does_not_know(service: Service, method: str, status: int) -> None:
    assert statuses(exchange(service, encode(f"{method} /v1/todo", CLOSE))) == [status]


@pytest.mark.parametrize("header", HANDSHAKES.values(), ids=HANDSHAKES)
def test_refuses_a_broken_websocket_handshake(service: Service, header: str) -> None:
    assert statuses(exchange(service, encode("GET /lifetime/first-message", *WEBSOCKET, header))) == [400]


@pytest.mark.parametrize("data", AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_never_takes_a_part_of_a_request_for_another_one(service: Service, data: bytes) -> None:
    answer = exchange(service, data)

    assert len(statuses(answer)) == 1
    assert statuses(answer)[0] in {400, 411, 413, 501}
    assert "/smuggled" not in service.output


def test_limits_the_size_of_all_headers_together(service: Service) -> None:
    headers = [f"X-{number}: {'a' * 1000}" for number in range(100)]

    answer = exchange(service, encode("GET /health/live", *headers))

    assert statuses(answer) in ([431], [])  # none, if the rest arrives at a closed connection


def test_closes_the_connection_if_a_stream_is_broken_halfway(service: Service) -> None:
    answer = exchange(service, encode("GET /lifetime/broken-stream"))

    assert statuses(answer) == [200]
    assert answer.endswith(b"\r\n5\r\nfirst\r\n")  # without the chunk of length 0 that would end the body
    assert len(service.wait_for_events(level="error")) == 1
    assert "halfway" in str(service.events(level="error")[0])


def test_a_broken_body_does_not_keep_its_connection(service: Service) -> None:
    with create_connection(("127.0.0.1", service.port), timeout=60) as client:
        client.sendall(encode("POST /v1/todo", JSON, "Content-Length: 100", body=b"{"))
        client.shutdown(SHUT_WR)
        started = time.monotonic()

        assert statuses(receive_all(client)) == [400]
        assert time.monotonic() - started < 5
