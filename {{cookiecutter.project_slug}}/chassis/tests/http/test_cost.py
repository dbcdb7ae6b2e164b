"""The layers may cost each request only so much, in counts that are the same on every machine."""

import asyncio
import gc
import sys
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import quart_schema.extension
from quart import Response, request
from quart.typing import TestClientProtocol as Client

from chassis.app import ChassisApp
from chassis.http.asgi import Headers, Message
from chassis.http.responses import create_empty_response
from chassis.maintenance.service_context import ServiceContext

REQUESTS = 300
HEADERS: Headers = [(b"host", b"localhost"), (b"accept", b"*/*")]
SCOPE: dict[str, Any] = {
    "type": "http",
    "asgi": {},
    "http_version": "1.1",
    "method": "GET",
    "scheme": "http",
    "query_string": b"",
    "root_path": "",
    "extensions": {},
}


class Server:
    """Sends a request, and records what reaches a server: messages, and the functions that passed each of them on."""

    def __init__(self, app: ChassisApp) -> None:
        self._app = app
        self.messages: list[Message] = []
        self.wrappers: list[str] = []

    async def request(self, method: str, path: str, body: bytes = b"", headers: Headers = HEADERS) -> None:
        async def receive() -> Message:
            if received:
                await asyncio.Event().wait()
            received.append(True)
            return {"type": "http.request", "body": body, "more_body": False}

        received: list[bool] = []
        scope = {**SCOPE, "headers": headers, "method": method, "path": path, "raw_path": path.encode()}
        await self._app(scope, receive, self._send)  # type: ignore[arg-type]

    async def _send(self, message: Message) -> None:
        self.messages.append(message)
        self.wrappers = []
        frame = sys._getframe(1)  # the coroutine that awaits this one
        while "chassis" in frame.f_globals["__name__"] and "send" in frame.f_code.co_name:
            self.wrappers.append(frame.f_code.co_qualname)
            assert frame.f_back
            frame = frame.f_back


@pytest.fixture(name="server")
def _server(app: ChassisApp) -> Server:
    return Server(app)


@contextmanager
def count_tasks() -> Iterator[list[object]]:
    loop, tasks = asyncio.get_running_loop(), list[object]()

    def create(loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], **options: Any) -> Any:  # noqa: ANN401
        tasks.append(coroutine)
        return asyncio.Task(coroutine, loop=loop, **options)

    loop.set_task_factory(create)  # type: ignore[arg-type]  # uvloop passes a context, too
    try:
        yield tasks
    finally:
        loop.set_task_factory(None)


async def test_a_response_passes_two_wrappers_of_send(server: Server) -> None:
    await server.request("GET", "/health/nowhere")

    assert server.wrappers == ["SharedResponse.send", "TrackedRequest.send"]


async def test_a_refusal_of_the_gate_passes_one_wrapper_of_send(app: ChassisApp, server: Server) -> None:
    await app.container.maintenance_state().apply_change(ServiceContext(maintenance=True, version=1))

    with count_tasks() as tasks:
        await server.request("GET", "/nowhere")

    assert server.messages[0]["status"] == 503
    assert len(server.messages) == 2
    assert [name for name in server.wrappers if name != "refuse"] == ["SharedResponse.send"]
    assert tasks == []


async def test_a_response_is_two_messages(server: Server) -> None:
    await server.request("GET", "/health/live")

    assert [message["type"] for message in server.messages] == ["http.response.start", "http.response.body"]
    assert not server.messages[-1].get("more_body")


@pytest.mark.parametrize(("method", "count"), [("GET", 0), ("HEAD", 0), ("POST", 1)])
async def test_a_request_takes_a_task_only_for_its_body(server: Server, method: str, count: int) -> None:
    with count_tasks() as tasks:
        await server.request(method, "/health/live")

    assert len(tasks) == count


async def test_requests_share_a_timer(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    loop, timers = asyncio.get_running_loop(), list[float]()
    call_later = loop.call_later

    def count(delay: float, *arguments: Any, **options: Any) -> asyncio.TimerHandle:
        timers.append(delay)
        return call_later(delay, *arguments, **options)

    monkeypatch.setattr(loop, "call_later", count)
    for _ in range(10):
        await server.request("GET", "/health/live")

    assert len(timers) <= 1


async def test_a_json_body_takes_no_task_of_its_own(app: ChassisApp, server: Server) -> None:
    bodies = []

    async def view() -> Response:
        bodies.append(await request.get_json())
        return create_empty_response()

    app.add_url_rule("/json", "json", view, methods=["POST"])
    with count_tasks() as tasks:
        await server.request("POST", "/json", b"[1]", [*HEADERS, (b"content-type", b"application/json")])

    assert bodies == [[1]]
    assert len(tasks) == 1


async def test_a_response_is_not_converted_again(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def convert(result: object) -> None:
        pytest.fail(f"{result} is converted")

    monkeypatch.setattr(quart_schema.extension, "convert_response_return_value", convert)

    assert (await client.get("/health/live")).status_code == 200
    assert (await client.get("/health/nowhere")).status_code == 404


async def test_requests_leave_no_memory_allocated(server: Server) -> None:
    async def count_new_blocks() -> int:
        gc.collect()
        before = sys.getallocatedblocks()
        for _ in range(REQUESTS):
            await server.request("GET", "/health/live")
            server.messages.clear()
        gc.collect()
        return sys.getallocatedblocks() - before

    # A leak would keep one for each request; caches that fill up keep less and less.
    assert min([await count_new_blocks() for _ in range(4)]) < REQUESTS / 2
