"""The gate alone, around a small ASGI application."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chassis.http.asgi import Message, Receive, Scope, Send
from chassis.maintenance.gate import MaintenanceGate
from chassis.maintenance.in_flight import InFlight
from chassis.maintenance.service_context import ServiceContext
from chassis.maintenance.state import MaintenanceState


class Application:
    """Remembers what it was asked, and may wait."""

    def __init__(self) -> None:
        self.served: list[str] = []
        self.proceed = asyncio.Event()
        self.proceed.set()
        self.cleaned_up = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.served.append(scope["type"])
        if scope["type"] == "websocket":
            await self._talk(receive, send)
        await self.proceed.wait()

    async def _talk(self, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        try:
            while (await receive())["type"] != "websocket.disconnect":
                await send({"type": "websocket.send", "text": "echo"})
        finally:
            self.cleaned_up = True
            await send({"type": "websocket.close", "code": 1000})


async def _nothing() -> None: ...


@pytest.fixture(name="state")
def _state() -> MaintenanceState:
    return MaintenanceState(_nothing)


@pytest.fixture(name="application")
async def _application() -> Application:
    return Application()


@pytest.fixture(name="in_flight")
def _in_flight() -> InFlight:
    return InFlight()


@pytest.fixture(name="gate")
def _gate(application: Application, state: MaintenanceState, in_flight: InFlight) -> MaintenanceGate:
    return MaintenanceGate(application, state, in_flight, exempt=["/exempt"], retry_after=60)


def _scope(kind: str = "http", path: str = "/", **more: Any) -> Scope:
    return {"type": kind, "path": path, "headers": [], "method": "GET", **more}


def _received(*messages: Message) -> Receive:
    queue: asyncio.Queue[Message] = asyncio.Queue()
    for message in messages:
        queue.put_nowait(message)
    return queue.get


def _collected() -> tuple[list[Message], Callable[[Message], Awaitable[None]]]:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    return sent, send


async def test_lets_pass_while_open_and_counts(
    gate: MaintenanceGate, application: Application, in_flight: InFlight
) -> None:
    application.proceed.clear()
    sent, send = _collected()
    request = asyncio.create_task(gate(_scope(), _received(), send))
    await asyncio.sleep(0)

    assert in_flight.count == 1
    application.proceed.set()
    await request
    assert (in_flight.count, application.served, sent) == (0, ["http"], [])


async def test_a_request_that_fails_is_no_longer_counted(state: MaintenanceState, in_flight: InFlight) -> None:
    async def failing(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise RuntimeError

    gate = MaintenanceGate(failing, state, in_flight, exempt=[], retry_after=60)
    with pytest.raises(RuntimeError):
        await gate(_scope(), _received(), _collected()[1])

    assert in_flight.count == 0


async def test_refuses_while_closed(gate: MaintenanceGate, application: Application, state: MaintenanceState) -> None:
    await state.apply_change(ServiceContext(maintenance=True, version=1))
    sent, send = _collected()

    await gate(_scope(), _received(), send)

    assert application.served == []
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert (sent[0]["status"], dict(sent[0]["headers"])[b"x-maintenance-mode"]) == (503, b"1")


@pytest.mark.parametrize(("hours", "seconds"), [(2, 3600), (0.5, 1800), (0, 7200), (-1, 7200), (None, 7200)])
async def test_says_when_to_come_back(
    hours: float | None, seconds: int, application: Application, state: MaintenanceState
) -> None:
    """What takes longer than planned is no reason for all clients to come each second."""
    gate = MaintenanceGate(application, state, InFlight(), exempt=[], retry_after=7200)
    end = None if hours is None else datetime.now(UTC) + timedelta(hours=hours)
    await state.apply_change(ServiceContext(maintenance=True, version=1, expected_end=end))
    sent, send = _collected()

    await gate(_scope(), _received(), send)

    assert int(dict(sent[0]["headers"])[b"retry-after"]) == pytest.approx(seconds, abs=60)


async def test_a_preflight_passes_while_closed_and_nobody_waits_for_it(
    gate: MaintenanceGate, application: Application, state: MaintenanceState, in_flight: InFlight
) -> None:
    await state.apply_change(ServiceContext(maintenance=True, version=1))
    application.proceed.clear()
    headers = [(b"access-control-request-method", b"GET")]
    preflight = asyncio.create_task(gate(_scope(method="OPTIONS", headers=headers), _received(), _collected()[1]))
    await asyncio.sleep(0)

    assert (application.served, in_flight.count) == (["http"], 0)
    application.proceed.set()
    await preflight


async def test_head_gets_the_same_headers_and_no_body(gate: MaintenanceGate, state: MaintenanceState) -> None:
    await state.apply_change(ServiceContext(maintenance=True, version=1))
    get, send_get = _collected()
    head, send_head = _collected()

    await gate(_scope(), _received(), send_get)
    await gate(_scope(method="HEAD"), _received(), send_head)

    assert head[0] == get[0]
    assert (get[1]["body"] != b"", head[1]["body"]) == (True, b"")


async def test_reads_what_a_client_is_sending_before_it_refuses(gate: MaintenanceGate, state: MaintenanceState) -> None:
    await state.apply_change(ServiceContext(maintenance=True, version=1))
    sent, send = _collected()
    body: list[Message] = [{"type": "http.request", "body": b"a", "more_body": more} for more in (True, False)]

    async def receive() -> Message:
        assert sent == []
        return body.pop(0)

    await gate(_scope(headers=[(b"Content-Length", b"2")]), receive, send)

    assert (body, sent[0]["status"]) == ([], 503)


async def test_an_unknown_state_is_refused_without_claiming_a_window(
    gate: MaintenanceGate, state: MaintenanceState
) -> None:
    state.start_watching()
    sent, send = _collected()

    await gate(_scope(), _received(), send)

    assert sent[0]["status"] == 503
    assert b"x-maintenance-mode" not in dict(sent[0]["headers"])
    assert b"unknown" in sent[1]["body"]


@pytest.mark.parametrize(
    ("kind", "path"), [("lifespan", ""), ("http", "/exempt"), ("http", "/exempt/"), ("http", "/root/exempt")]
)
async def test_what_is_exempt_passes_while_closed(
    gate: MaintenanceGate,
    application: Application,
    state: MaintenanceState,
    in_flight: InFlight,
    kind: str,
    path: str,
) -> None:
    await state.apply_change(ServiceContext(maintenance=True, version=1))
    root_path = "/root" if path.startswith("/root") else ""

    await gate(_scope(kind, path, root_path=root_path), _received(), _collected()[1])

    assert (application.served, in_flight.count) == ([kind], 0)


async def test_no_task_is_added_to_a_request(gate: MaintenanceGate, application: Application) -> None:
    before = asyncio.all_tasks()
    seen: set[asyncio.Task[Any]] = set()

    async def receive() -> Message:
        return {}

    class Looking(Application):
        async def __call__(self, *_: Any) -> None:
            seen.update(asyncio.all_tasks())

    gate._app = Looking()
    await gate(_scope(), receive, _collected()[1])

    assert seen == before


async def test_a_handshake_is_denied_with_a_response(gate: MaintenanceGate, state: MaintenanceState) -> None:
    await state.apply_change(ServiceContext(maintenance=True, version=1))
    sent, send = _collected()

    await gate(_scope("websocket", extensions={"websocket.http.response": {}}), _received(), send)

    assert [message["type"] for message in sent] == ["websocket.http.response.start", "websocket.http.response.body"]
    assert sent[0]["status"] == 503


async def test_a_handshake_is_closed_where_the_server_knows_no_response(
    gate: MaintenanceGate, state: MaintenanceState
) -> None:
    await state.apply_change(ServiceContext(maintenance=True, version=1))
    sent, send = _collected()

    await gate(_scope("websocket"), _received(), send)

    assert [message["type"] for message in sent] == ["websocket.close"]


async def test_a_live_socket_is_closed_and_its_handler_cleans_up(
    gate: MaintenanceGate, application: Application, state: MaintenanceState, in_flight: InFlight
) -> None:
    sent, send = _collected()
    receive = _received({"type": "websocket.connect"}, {"type": "websocket.receive", "text": "a"})
    socket = asyncio.create_task(gate(_scope("websocket"), receive, send))
    while len(sent) < 2:
        await asyncio.sleep(0)

    await state.apply_change(ServiceContext(maintenance=True, version=1))
    await socket

    assert [message["type"] for message in sent] == ["websocket.accept", "websocket.send", "websocket.close"]
    assert sent[-1]["code"] == 1012
    assert (application.cleaned_up, in_flight.count) == (True, 0)


async def test_sockets_are_closed_for_a_restart_and_later_ones_not_let_in(
    gate: MaintenanceGate, application: Application, in_flight: InFlight
) -> None:
    application.proceed.set()
    sent, send = _collected()
    receive = _received({"type": "websocket.connect"}, {"type": "websocket.receive", "text": "a"})
    socket = asyncio.create_task(gate(_scope("websocket"), receive, send))
    while len(sent) < 2:
        await asyncio.sleep(0)

    in_flight.stop_sockets()
    await socket
    later, send = _collected()
    await gate(_scope("websocket", extensions={"websocket.http.response": {}}), _received(), send)

    assert (sent[-1]["type"], sent[-1]["code"], sent[-1]["reason"]) == ("websocket.close", 1012, "restart")
    assert (later[0]["type"], later[0]["status"]) == ("websocket.http.response.start", 503)
    assert dict(later[0]["headers"])[b"retry-after"] == b"1"
    assert b"x-maintenance-mode" not in dict(later[0]["headers"])
    assert b"about to stop" in later[1]["body"]
    assert (application.served, in_flight.count) == (["websocket"], 0)
