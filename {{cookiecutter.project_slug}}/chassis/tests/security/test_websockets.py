"""Websockets whose view fails, and whose client sends more than the view wants."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from quart import websocket
from werkzeug.exceptions import Forbidden
from wsproto import ConnectionType, WSConnection
from wsproto.events import CloseConnection, Event, RejectConnection, RejectData, Request, TextMessage

from chassis.app import ChassisApp
from chassis.config import ChassisConfig
from chassis.domain.exceptions import NotFoundError, UnavailableError
from chassis.http import websockets
from chassis.http.asgi import Message
from chassis.http.routing import max_content_length
from chassis.tests.sample.create_app import create_app
from chassis.tests.security.asgi_client import scope_of
from chassis.tests.security.raw_http import Server, serving_on_loopback

LIMIT = 10_000
LARGER_LIMIT = 30_000
SECONDS = 10.0


class Socket:
    """A websocket of a client, which tells the codes that the client of Quart keeps to itself."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._connection = WSConnection(ConnectionType.CLIENT)
        self._events: list[Event] = []

    async def send(self, event: Event) -> None:
        self._writer.write(self._connection.send(event))
        await self._writer.drain()

    async def receive(self) -> Any:  # noqa: ANN401 - an event of any class
        while not self._events:
            self._connection.receive_data(await asyncio.wait_for(self._reader.read(65536), SECONDS) or None)
            self._events = list(self._connection.events())
        return self._events.pop(0)

    async def receive_close(self) -> int:
        """Return the code, and close as well."""
        event = await self.receive()
        while not isinstance(event, CloseConnection):
            event = await self.receive()
        await self.send(event.response())
        assert await asyncio.wait_for(self._reader.read(), SECONDS) == b""
        return int(event.code)


@asynccontextmanager
async def _connect(server: Server, path: str) -> AsyncIterator[Socket]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        socket = Socket(reader, writer)
        await socket.send(Request(host="localhost", target=path))
        yield socket
    finally:
        writer.close()


ERRORS = {
    "unexpected": RuntimeError("the reason"),
    "group": ExceptionGroup("the reason", [ValueError()]),
    "unavailable": UnavailableError("the reason"),
    "missing": NotFoundError("the reason"),
    "forbidden": Forbidden("the reason"),
}


async def _fail_before(name: str) -> None:
    raise ERRORS[name]


async def _fail_after(name: str) -> None:
    await websocket.accept()
    raise ERRORS[name]


async def _fail_after_messages(name: str) -> None:
    await websocket.send(await websocket.receive())
    raise ERRORS[name]


async def _fail_after_close(name: str) -> None:
    await websocket.accept()
    await websocket.close(4000)
    raise ERRORS[name]


async def _return() -> None:
    await websocket.accept()


async def _echo() -> None:
    while True:
        await websocket.send(str(len(await websocket.receive())))


@max_content_length(LARGER_LIMIT)
async def _echo_more() -> None:
    await _echo()


async def _ignore() -> None:
    await websocket.accept()
    await asyncio.Event().wait()


async def _ignore_and_fail() -> None:
    await websocket.accept()
    await asyncio.sleep(0.2)
    raise ERRORS["unexpected"]


@pytest.fixture(name="failing")
def _failing(app: ChassisApp, config: ChassisConfig) -> ChassisApp:
    failing = create_app(config.model_copy(update={"MAX_CONTENT_LENGTH": LIMIT}))
    failing.container.database.override(app.container.database())
    failing.websocket("/before/<name>")(_fail_before)
    failing.websocket("/after/<name>")(_fail_after)
    failing.websocket("/after-messages/<name>")(_fail_after_messages)
    failing.websocket("/after-close/<name>")(_fail_after_close)
    failing.websocket("/return")(_return)
    failing.websocket("/echo")(_echo)
    failing.websocket("/echo-more")(_echo_more)
    failing.websocket("/ignore")(_ignore)
    failing.websocket("/ignore-and-fail")(_ignore_and_fail)
    return failing


@pytest.fixture(name="server")
async def _server(failing: ChassisApp) -> AsyncIterator[Server]:
    async with serving_on_loopback(failing) as server:
        yield server


def _errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [str(record.msg["event"]) for record in caplog.records if record.levelno >= logging.ERROR]  # type: ignore[index]


@pytest.mark.parametrize(
    ("name", "code"),
    [("unexpected", 1011), ("group", 1011), ("unavailable", 1013), ("missing", 1008), ("forbidden", 1008)],
)
async def test_closes_with_a_code_for_the_error(
    server: Server, name: str, code: int, caplog: pytest.LogCaptureFixture
) -> None:
    async with _connect(server, f"/after/{name}") as socket:
        assert await socket.receive_close() == code
    async with _connect(server, f"/after-messages/{name}") as socket:
        await socket.receive()
        await socket.send(TextMessage(data="hello"))
        assert await socket.receive_close() == code

    assert _errors(caplog) == (["unexpected error"] * 2 if code == 1011 else [])


@pytest.mark.parametrize(
    ("name", "status"),
    [("unexpected", 500), ("group", 500), ("unavailable", 503), ("missing", 404), ("forbidden", 403)],
)
async def test_denies_the_handshake_after_an_error_before_it(
    server: Server, name: str, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    async with _connect(server, f"/before/{name}") as socket:
        rejection, body = await socket.receive(), await socket.receive()

    assert isinstance(rejection, RejectConnection)
    assert isinstance(body, RejectData)
    headers = dict(rejection.headers)
    assert (rejection.status_code, headers[b"content-type"]) == (status, b"application/problem+json")
    assert headers[b"x-content-type-options"] == b"nosniff"
    assert (b"the reason" in body.data) == (status != 500)
    assert _errors(caplog) == (["unexpected error"] if status == 500 else [])


async def test_keeps_the_code_of_a_view_that_has_closed(server: Server) -> None:
    async with _connect(server, "/after-close/unexpected") as socket:
        assert await socket.receive_close() == 4000
    async with _connect(server, "/return") as socket:
        assert await socket.receive_close() == 1000


@pytest.mark.parametrize(("path", "limit"), [("/echo", LIMIT), ("/echo-more", LARGER_LIMIT)])
@pytest.mark.parametrize("character", ["a", "é"])
async def test_refuses_a_message_over_the_limit_of_the_view(
    server: Server, path: str, limit: int, character: str
) -> None:
    length = limit // len(character.encode())

    async with _connect(server, path) as socket:
        await socket.receive()
        await socket.send(TextMessage(data=character * length))
        assert (await socket.receive()).data == str(length)
        await socket.send(TextMessage(data=character * (length + 1)))
        await socket.send(TextMessage(data=character * length))

        assert await socket.receive_close() == 1009


async def test_queues_no_more_than_the_limit(failing: ChassisApp, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server receives no more of them, and makes the client wait."""
    monkeypatch.setattr(websockets, "UNREAD_SECONDS", 0.1)
    received = 0
    closed: list[object] = []

    async def receive() -> Message:
        nonlocal received
        if closed or received == 1000:
            return {"type": "websocket.disconnect", "code": 1008}
        received += 1
        return {"type": "websocket.receive", "text": "a" * 1000} if received > 1 else {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        if message["type"] == "websocket.close":
            closed.append(message["code"])

    scope: Any = scope_of("GET", "/ignore", type="websocket", scheme="ws")
    await failing(scope, receive, send)  # type: ignore[arg-type]

    assert (closed, received) == ([1008], 1 + 10 + 1)


async def test_closes_when_the_view_does_not_receive(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websockets, "UNREAD_SECONDS", 0.1)

    async with _connect(server, "/ignore") as socket:
        await socket.receive()
        for _ in range(100):
            await socket.send(TextMessage(data="a" * 1000))

        assert await socket.receive_close() == 1008


async def test_ends_although_the_client_goes_on_sending(server: Server) -> None:
    async with _connect(server, "/ignore-and-fail") as socket:
        await socket.receive()
        for _ in range(100):
            await socket.send(TextMessage(data="a" * 1000))

        assert await socket.receive_close() == 1011


async def test_receives_more_than_the_limit_in_the_course_of_time(server: Server) -> None:
    async with _connect(server, "/echo") as socket:
        await socket.receive()
        for _ in range(100):
            await socket.send(TextMessage(data="a" * 1000))

        assert [(await socket.receive()).data for _ in range(100)] == ["1000"] * 100
