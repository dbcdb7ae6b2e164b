"""Malformed and excessive requests, sent as bytes to a real Hypercorn: each gets a 4xx, and the next one its answer."""

import json
import re
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from support.postgres import Postgres
from support.report import note
from support.service import HYPERCORN, Commands, Service
from support.waiting import wait_until

MEGABYTE = 1024 * 1024
TITLE = b'{"title": "a"}'
CLOSED = 0  # instead of a status: the connection was closed without an answer
STATUS = re.compile(rb"HTTP/1\.1 ([2-5]\d\d)")
JSON = b"Content-Type: application/json"
CHUNKED = b"Transfer-Encoding: chunked"
WEBSOCKET = (
    b"Connection: upgrade",
    b"Upgrade: websocket",
    b"Sec-WebSocket-Version: 13",
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)
# The preface of HTTP/2, empty settings, and the headers :method GET, :scheme http, :path /\xff, :authority a.
HTTP2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000040000000000000009010500000001828604022fff010161")


def request(line: bytes, *headers: bytes, host: bytes = b"a", body: bytes = b"") -> bytes:
    lines = [line + b" HTTP/1.1", b"Host: " + host, *headers]
    return b"".join(each + b"\r\n" for each in lines) + b"\r\n" + body


def get(path: bytes, *headers: bytes) -> bytes:
    return request(b"GET " + path, *headers)


def post(body: bytes, *headers: bytes, line: bytes = b"POST /v1/todo", kind: bytes = JSON) -> bytes:
    return request(line, kind, b"Content-Length: %d" % len(body), *headers, body=body)


LIVE = get(b"/health/live")
BAD: dict[str, tuple[bytes, set[int]]] = {
    "no HTTP": (b"\0\1\2\r\n\r\n", {400}),
    "HTTP/0.9": (b"GET /health/live\r\n\r\n", {400}),
    "TLS": (bytes.fromhex("16030100a1010000") + bytes(100), {400}),
    "no host": (b"GET /health/live HTTP/1.1\r\n\r\n", {400}),
    "two hosts": (get(b"/health/live", b"Host: b"), {400}),
    "a host of empty labels": (request(b"GET /health/live", host=b"a..b"), {400}),
    "a host of a long label": (request(b"GET /health/live", host=b"a" * 64), {400}),
    "no target": (get(b""), {400}),
    "a target without a path": (get(b"?x=1"), {400}),
    "a websocket without a path": (get(b"?x=1", *WEBSOCKET), {400}),
    "a url with half an IPv6 address": (get(b"http://[/nowhere"), {404}),
    "OPTIONS of the whole server": (request(b"OPTIONS *"), {400}),
    "CONNECT, as to a proxy": (request(b"CONNECT a:80"), {400}),
    "TRACE": (request(b"TRACE /v1/todo"), {405}),
    "an unknown method": (request(b"FROB /v1/todo"), {405}),
    "a long path": (get(b"/" + b"a" * 10_000), {404}),
    "a path with a line break": (get(b"/%0d%0aX:%20y"), {404}),
    "a path with NUL": (get(b"/v1/todo/%00"), {404}),
    "a path that is not UTF-8": (get(b"/v1/todo/%FF"), {404}),
    "a path in raw bytes": (get(b"/v1/todo/\xff"), {400}),
    "a query with NUL": (get(b"/v1/todo?title=%00"), {400}),
    "a query in raw bytes": (get(b"/v1/todo?title=\xff"), {400}),
    "a header of a megabyte": (get(b"/health/live", b"X: " + b"a" * MEGABYTE), {431, CLOSED}),
    "a header with NUL": (get(b"/health/live", b"X: \0"), {400}),
    "a header without a colon": (get(b"/health/live", b"X"), {400}),
    "a space before the colon": (get(b"/health/live", b"X : a"), {400}),
    "an authorization in raw bytes": (post(b"{}", b"Authorization: \xff", line=b"PATCH /v1/service-context"), {401}),
    "a length and chunks": (post(b"0\r\n\r\n", CHUNKED), {400}),
    "two lengths": (post(TITLE, b"Content-Length: 1"), {400}),
    "a length below zero": (request(b"POST /v1/todo", JSON, b"Content-Length: -1"), {400}),
    "a length of a thousand digits": (request(b"POST /v1/todo", JSON, b"Content-Length: " + b"9" * 1000), {400}),
    "a chunk without a length": (request(b"POST /v1/todo", JSON, CHUNKED, body=b"zz\r\n"), {400}),
    "an unknown transfer coding": (request(b"POST /v1/todo", JSON, b"Transfer-Encoding: gzip, chunked"), {501}),
    "no media type": (post(TITLE, kind=b"X: y"), {415}),
    "another media type": (post(TITLE, kind=b"Content-Type: text/plain"), {415}),
    "a form": (post(b"title=a", kind=b"Content-Type: application/x-www-form-urlencoded"), {415}),
    "a form without a boundary": (post(TITLE, kind=b"Content-Type: multipart/form-data"), {415}),
    "a media type in raw bytes": (post(TITLE, kind=b"Content-Type: ;;=\xff"), {415}),
    "UTF-16": (post('{"title": "a"}'.encode("utf-16"), kind=JSON + b"; charset=utf-16"), {400}),
    "a byte order mark": (post(b"\xef\xbb\xbf" + TITLE), {400}),
    "a body that is not UTF-8": (post(b'{"title": "\xff"}'), {400}),
    "a compressed body": (post(b"\x1f\x8b\x08\0", b"Content-Encoding: gzip"), {400}),
    "half a surrogate pair in a string": (post(b'{"title": "\\ud800"}'), {400}),
    "half a surrogate pair in a name": (post(b'{"title": "a", "\\ud800": 1}'), {400}),
    "NUL in a string": (post(b'{"title": "a\\u0000"}'), {400}),
    "NUL in a name": (post(b'{"title": "a", "\\u0000": 1}'), {400}),
    "a raw NUL": (post(b'{"title": "a\0"}'), {400}),
    "deep lists": (post(b"[" * 100_000), {400}),
    "deep objects": (post(b'{"a":' * 100_000), {413}),
    "a deep title": (post(b'{"title":' + b"[" * 900 + b"]" * 900 + b"}"), {400}),
    "an integer of 4000 digits": (post(b'{"title": %s}' % (b"9" * 4000)), {400}),
    "an integer of 5000 digits": (post(b'{"title": %s}' % (b"9" * 5000)), {400}),
    "an infinite number": (post(b'{"title": "a", "completed": 1e999}'), {400}),
    "not a number": (post(b'{"title": NaN}'), {400}),
    "a long name": (post(b'{"%s": 1}' % (b"a" * 900_000)), {400}),
    "a websocket where there is none": (get(b"/v1/todo", *WEBSOCKET), {405}),
    "an incomplete websocket handshake": (get(b"/v1/todo", *WEBSOCKET[:2]), {400}),
    "a websocket subprotocol in raw bytes": (get(b"/v1/todo", *WEBSOCKET, b"Sec-WebSocket-Protocol: \xff"), {400}),
    "HTTP/2 with a path in raw bytes": (HTTP2, {505, CLOSED}),
}


@pytest.fixture(name="uri", scope="module")
def _uri(postgres: Postgres) -> str:
    return postgres.create_database()


@pytest.fixture(name="service", scope="module")
def _service(project: Path, commands: Commands, uri: str) -> Iterator[Service]:
    settings = {"APP_ENV": "production", "LOG_FORMAT": "json", "MAINTENANCE_TOKEN": "0123456789abcdef"}
    with commands.serve(project, SQLALCHEMY_DATABASE_URI=uri, **settings) as service:
        yield service


@pytest.fixture(name="impatient", scope="module")
def _impatient(project: Path, commands: Commands, uri: str) -> Iterator[Service]:
    """A service that waits only one second for a body."""
    settings = {"APP_ENV": "production", "LOG_FORMAT": "json", "BODY_TIMEOUT": "1"}
    with commands.serve(project, SQLALCHEMY_DATABASE_URI=uri, **settings) as service:
        yield service


def connect(service: Service) -> socket.socket:
    return socket.create_connection(("127.0.0.1", service.port), timeout=60)


def read_answers(connection: socket.socket, number: int = 1) -> bytes:
    """Read until so many answers have arrived completely, or the connection is closed."""
    received = b""
    with suppress(ConnectionError):
        while len(STATUS.findall(received)) < number or not is_complete(received):
            data = connection.recv(65536)
            if not data:
                break
            received += data
    return received


def is_complete(received: bytes) -> bool:
    head, _, body = received[received.rindex(b"HTTP/1.1 ") :].partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head)
    return bool(length) and len(body) >= int(length[1] if length else 0)


def exchange(service: Service, *parts: bytes, number: int = 1) -> bytes:
    with connect(service) as connection:
        with suppress(ConnectionError):  # the service may close the connection before it has read everything
            for part in parts:
                connection.sendall(part)
        return read_answers(connection, number)


def status_of(answer: bytes) -> int:
    match = STATUS.match(answer)
    return int(match[1]) if match else CLOSED


def problem_of(answer: bytes) -> dict[str, object]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head
    return dict(json.loads(body))


@pytest.mark.parametrize(("data", "statuses"), BAD.values(), ids=BAD)
def test_refuses_bad_input_and_answers_the_next_request(service: Service, data: bytes, statuses: set[int]) -> None:
    before = service.events(level="error")

    answer = exchange(service, data)

    assert status_of(answer) in statuses, answer[:1000]
    assert status_of(exchange(service, LIVE)) == 200
    assert service.events(level="error") == before
    assert "Traceback" not in service.output


@pytest.mark.parametrize(
    ("identity", "statuses"),
    [(2**31, {404}), (2**63 - 1, {404}), (2**63, {404}), (10**4000, {404}), (None, {404, 405})],
    ids=["2**31", "2**63-1", "2**63", "10**4000", "more digits than Python reads"],
)
@pytest.mark.parametrize("method", [b"GET", b"PATCH", b"DELETE"])
def test_returns_404_for_an_id_beyond_the_integer_range(
    service: Service, method: bytes, identity: int | None, statuses: set[int]
) -> None:
    path = b"/v1/todo/" + (str(identity).encode() if identity else b"9" * 5000)

    answer = exchange(service, post(TITLE, line=method + b" " + path))

    assert status_of(answer) in statuses


@pytest.mark.parametrize(
    ("line", "headers", "status"),
    [
        (b"POST /v1/todo", [JSON], 413),
        (b"POST /v1/todo", [b"Content-Type: text/plain"], 413),
        (b"POST /nowhere", [JSON], 404),
        (b"PUT /v1/todo", [JSON], 405),
        (b"PATCH /v1/service-context", [JSON], 401),
    ],
)
@pytest.mark.parametrize("chunked", [False, True], ids=["with its length", "in chunks"])
def test_answers_a_body_that_is_too_large_and_keeps_the_connection(
    service: Service, line: bytes, headers: list[bytes], status: int, chunked: bool
) -> None:
    size = 8 * MEGABYTE
    chunk = b"%x\r\n%s\r\n" % (size, b"x" * size)
    data = request(line, *headers, CHUNKED, body=chunk + b"0\r\n\r\n")
    if not chunked:
        data = request(line, *headers, b"Content-Length: %d" % size, body=b"x" * size)

    with connect(service) as connection:
        connection.sendall(data)
        refusal = read_answers(connection)
        connection.sendall(LIVE)  # on the same connection
        next_answer = read_answers(connection)

    assert (status_of(refusal), status_of(next_answer)) == (status, 200)
    assert problem_of(refusal)["status"] == status


def test_answers_413_if_a_body_that_is_too_large_is_announced_but_never_sent(service: Service) -> None:
    started = time.monotonic()

    answer = exchange(service, request(b"POST /v1/todo", JSON, b"Content-Length: 99999999999999999999"))

    assert status_of(answer) == 413
    note(f"413 for a body that is announced but never sent: after {time.monotonic() - started:.1f} s")


def test_closes_the_connection_after_a_request_with_both_a_length_and_chunks(service: Service) -> None:
    smuggled = get(b"/smuggled")

    answer = exchange(service, post(b"0\r\n\r\n" + smuggled, CHUNKED), number=2)

    assert STATUS.findall(answer) == [b"400"]
    assert "exclude each other" in str(problem_of(answer)["error_message"])
    assert "/smuggled" not in service.output


def test_serves_the_path_of_an_absolute_url(service: Service) -> None:
    assert status_of(exchange(service, get(b"http://example.com/health/live"))) == 200


def test_answers_pipelined_requests_in_order(service: Service) -> None:
    requests = [post(TITLE), LIVE, get(b"/nowhere"), post(b"["), get(b"/v1/todo/0")] * 20

    answer = exchange(service, b"".join(requests), number=100)

    assert STATUS.findall(answer) == [b"201", b"200", b"404", b"400", b"404"] * 20


def test_limits_the_number_of_errors_in_one_answer(service: Service) -> None:
    fields = b",".join(b'"k%d":1' % number for number in range(9_000))
    many, fewer = b"{%s}" % fields, b"{%s}" % fields[:8_000].rpartition(b",")[0]

    messages = [problem_of(exchange(service, post(body)))["error_message"] for body in (many, fewer)]

    assert messages[0] == "The body has more than 1000 fields"
    assert isinstance(messages[1], dict)
    assert len(messages[1]) == 100


def test_answers_408_to_a_slow_body(impatient: Service) -> None:
    with connect(impatient) as connection:
        connection.sendall(request(b"POST /v1/todo", JSON, b"Content-Length: 100"))
        answer = drip(connection, b" " * 90)

    assert status_of(answer) == 408
    assert problem_of(answer)["status"] == 408


def test_closes_a_connection_with_slow_headers(project: Path, commands: Commands, uri: str) -> None:
    """The headers have at most the keep-alive time, even if data arrives."""
    with commands.serve(project, *HYPERCORN, "--keep-alive", "1", SQLALCHEMY_DATABASE_URI=uri) as service:
        with connect(service) as connection:
            connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: a\r\nX: ")
            answer = drip(connection, b"x" * 300)

        assert answer == b""
        wait_until(
            lambda: status_of(exchange(service, LIVE)) == 200
        )  # on a slow machine this connection may be closed, too


def drip(connection: socket.socket, data: bytes) -> bytes:
    """Send ten bytes a second until an answer arrives or the connection is closed."""
    received = b""
    connection.settimeout(0.1)
    for number in range(len(data)):
        with suppress(TimeoutError):
            try:
                connection.sendall(data[number : number + 1])
                received = connection.recv(65536)
            except ConnectionError:
                return received
            connection.settimeout(60)
            return received + read_answers(connection) if received and not is_complete(received) else received
    pytest.fail("The server has read everything")
