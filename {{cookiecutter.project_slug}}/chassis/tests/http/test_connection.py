"""A view is cancelled when its client leaves before it has answered, and a body is received with every method."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from quart import Response, request

from chassis.app import ChassisApp
from chassis.config import ChassisConfig
from chassis.http.asgi import Message
from chassis.http.client import PATIENCE_SECONDS
from chassis.http.connection import create_request
from chassis.tests.sample.create_app import create_app
from chassis.tests.security.asgi_client import HOST, ask, scope_of

LATE = 3 * PATIENCE_SECONDS
METHODS = ["GET", "HEAD", "DELETE", "OPTIONS", "POST", "PUT", "PATCH"]
LEAVES: Message = {"type": "http.disconnect"}
IS_SENT: Message = {"type": "http.request", "body": b"", "more_body": False}


class LeavingClient:
    """Sends an empty body, and leaves when it is told to."""

    def __init__(self) -> None:
        self.left = asyncio.Event()
        self._messages = [IS_SENT]

    async def receive(self) -> Message:
        if self._messages:
            return self._messages.pop()
        await self.left.wait()
        return LEAVES

    async def send(self, message: Message) -> None: ...


class Views:
    """Records how its views end."""

    def __init__(self, app: ChassisApp) -> None:
        self.ends: list[str] = []
        self.started = asyncio.Event()
        app.add_url_rule("/slow", "slow", self._slow, methods=METHODS, provide_automatic_options=False)
        app.add_url_rule("/stream", "stream", self._stream)
        app.add_url_rule("/body", "body", self._body, methods=METHODS, provide_automatic_options=False)

    async def _slow(self) -> str:
        self.started.set()
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            self.ends.append("cancelled")
            raise
        return "done"

    async def _stream(self) -> Response:
        async def stream() -> AsyncIterator[bytes]:
            try:
                while True:
                    yield b"x"
                    self.started.set()
                    await asyncio.sleep(0.01)
            finally:
                self.ends.append("cancelled")

        return Response(stream())

    async def _body(self) -> str | bytes:
        return await request.get_data()


@pytest.fixture(name="other")
def _other(app: ChassisApp, config: ChassisConfig) -> ChassisApp:
    return create_app(config)


@pytest.fixture(name="views")
def _views(other: ChassisApp) -> Views:
    return Views(other)


@pytest.mark.parametrize(("method", "path"), [*((method, "/slow") for method in METHODS), ("GET", "/stream")])
@pytest.mark.parametrize("seconds", [0, LATE])
async def test_a_view_is_cancelled_when_its_client_leaves(
    other: ChassisApp, views: Views, method: str, path: str, seconds: float
) -> None:
    client = LeavingClient()
    call = asyncio.create_task(other(scope_of(method, path), client.receive, client.send))  # type: ignore[arg-type]
    await views.started.wait()

    await asyncio.sleep(seconds)
    client.left.set()
    await asyncio.wait_for(call, 5)  # and it ends as if it had answered

    assert views.ends == ["cancelled"]


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_cancellation_by_the_server_reaches_the_server(other: ChassisApp, views: Views, method: str) -> None:
    client = LeavingClient()
    call = asyncio.create_task(other(scope_of(method, "/slow"), client.receive, client.send))  # type: ignore[arg-type]
    await views.started.wait()
    await asyncio.sleep(LATE)

    call.cancel()
    await asyncio.wait([call], timeout=5)

    assert call.cancelled()
    assert views.ends == ["cancelled"]


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_server_that_sends_the_end_of_a_response_is_not_interrupted(other: ChassisApp, method: str) -> None:
    """Servers report that a client has left after each response, also if it keeps the connection."""
    Views(other)
    client, ends = LeavingClient(), []

    async def send(message: Message) -> None:
        if message["type"] == "http.response.body":
            client.left.set()
            await asyncio.sleep(LATE)
            ends.append(message["more_body"])

    await other(scope_of(method, "/body"), client.receive, send)  # type: ignore[arg-type]

    assert ends == [False]


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_an_error_of_the_server_ends_the_view(other: ChassisApp, views: Views, method: str) -> None:
    async def receive() -> Message:
        raise ConnectionError("broken")

    with pytest.raises(ConnectionError, match="broken"):
        await other(scope_of(method, "/slow"), receive, LeavingClient().send)  # type: ignore[arg-type]

    assert views.ends == ["cancelled"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("headers", [[], [(b"content-length", b"6")], [(b"transfer-encoding", b"chunked")]])
async def test_a_body_is_received_with_every_method_even_if_nothing_announces_it(
    other: ChassisApp, method: str, headers: list[tuple[bytes, bytes]]
) -> None:
    Views(other)

    answer = await ask(other, method, "/body", HOST + headers, [b"abc", b"def"])

    assert answer.body == b"abcdef"


@pytest.mark.parametrize(
    ("path", "below"), [("/example/body", "/body"), ("/example", "/ "), ("/example/", "/"), ("/other", "/ ")]
)
async def test_a_route_has_no_root_path(app: ChassisApp, path: str, below: str) -> None:
    request = create_request(app, scope_of("GET", path, root_path="/example"))

    assert (request.path, request.root_path) == (below, "/example")
