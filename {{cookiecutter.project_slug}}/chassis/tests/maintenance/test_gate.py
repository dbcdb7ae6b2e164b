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
    """Records the kinds of connections that it serves; a test may clear `proceed` to hold them up."""

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


async def _do_nothing() -> None: ...


@pytest.fixture(name="state")
def _state() -> MaintenanceState:
    return MaintenanceState(_do_nothing)


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


def _create_receive(*messages: Message) -> Receive:
    queue: asyncio.Queue[Message] = asyncio.Queue()
    for message in messages:
        queue.put_nowait(message)
    return queue.get


def _collect_messages() -> tuple[list[Message], Callable[[Message], Awaitable[None]]]:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    return sent, send


async def test_passes_and_counts_requests_while_open(
    gate: MaintenanceGate, application: Application, in_flight: InFlight
) -> None:
    application.proceed.clear()
    sent, send = _collect_messages()
    request = asyncio.create_task(gate(_scope(), _create_receive(), send))
    await asyncio.sleep(0)

    assert in_flight.count == 1
    application.proceed.set()
    await request
    assert (in_flight.count, application.served, sent) == (0, ["http"], [])


async def test_stops_counting_a_request_that_fails(state: MaintenanceState, in_flight: InFlight) -> None:
    async def fail(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise RuntimeError

    gate = MaintenanceGate(fail, state, in_flight, exempt=[], retry_after=60)
    with pytest.raises(RuntimeError):
        await gate(_scope(), _create_receive(), _collect_messages()[1])

    assert in_flight.count == 0


async def test_refuses_requests_while_closed(
    gate: MaintenanceGate, application: Application, state: MaintenanceState
) -> None:
    await state.apply_change(ServiceContext(maintenance=True, version=1))
    sent, send = _collect_messages()

    await gate(_scope(), _create_receive(), send)

    assert application.served == []
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert (sent[0]["status"], dict(sent[0]["headers"])[b"x-maintenance-mode"]) == (503, b"1")


@pytest.mark.parametrize(("hours", "seconds"), [(2, 3600), (0.5, 1800), (0, 7200), (-1, 7200), (None, 7200)])
async def test_sends_the_remaining_time_as_retry_after(
    hours: float | None, seconds: int, application: Application, state: MaintenanceState
) -> None:
    """After the expected end the default applies, so that clients do not come back every second."""
    gate = MaintenanceGate(application, state, InFlight(), exempt=[], retry_after=7200)
    end = None if hours is None else datetime.now(UTC) + timedelta(hours=hours)
    await state.apply_change(ServiceContext(maintenance=True, version=1, expected_end=end))
    sent, send = _collect_messages()

    await gate(_scope(), _create_receive(), send)

    assert int(dict(sent[0]["headers"])[b"retry-after"]) == pytest.approx(seconds, abs=60)


async def test_passes_a_preflight_without_counting_it_while_closed(
    gate: MaintenanceGate, application: Application, state: MaintenanceState, in_flight: InFlight
) -> None:
    await state.apply_change(ServiceContext(maintenance=True, version=1))
    application.proceed.clear()
    headers = [(b"access-control-request-method", b"GET")]
    preflight = asyncio.create_task(
        gate(_scope(method="OPTIONS", headers=headers), _create_receive(), _collect_messages()[1])
    )
    await asyncio.sleep(0)

    assert (application.served, in_flight.count) == (["http"], 0)
    application.proceed.set()
    await preflight


async def test_answers_head_with_the_same_headers_and_no_body(gate: MaintenanceGate, state: MaintenanceState) -> None:
    await state.apply_change(ServiceContext(maintenance=True, version=1))
    get, send_get = _collect_messages()
    head, send_head = _collect_messages()

    await gate(_scope(), _create_receive(), send_get)
    await gate(_scope(method="HEAD"), _create_receive(), send_head)

    assert head[0] == get[0]
    assert (get[1]["body"] != b"", head[1]["body"]) == (True, b"")


async def test_reads_the_body_before_it_refuses_a_request(gate: MaintenanceGate, state: MaintenanceState) -> None:
    await state.apply_change(ServiceContext(maintenance=True, version=1))
    sent, send = _collect_messages()
    body: list[Message] = [{"type": "http.request", "body": b"a", "more_body": more} for more in (True, False)]

    async def receive() -> Message:
        assert sent == []
        return body.pop(0)

    await gate(_scope(headers=[(b"Content-Length", b"2")]), receive, send)

    assert (body, sent[0]["status"]) == ([], 503)


async def test_does_not_claim_maintenance_while_the_state_is_unknown(
    gate: MaintenanceGate, state: MaintenanceState
) -> None:
    state.start_watching()
    sent, send = _collect_messages()

    await gate(_scope(), _create_receive(), send)

    assert sent[0]["status"] == 503
    assert b"x-maintenance-mode" not in dict(sent[0]["headers"])
    assert b"unknown" in sent[1]["body"]


@pytest.mark.parametrize(
    ("kind", "path"), [("lifespan", ""), ("http", "/exempt"), ("http", "/exempt/"), ("http", "/root/exempt")]
)
async def test_passes_exempt_paths_and_lifespan_while_closed(
    gate: MaintenanceGate,
    application: Application,
    state: MaintenanceState,
    in_flight: InFlight,
    kind: str,
    path: str,
) -> None:
    await state.apply_change(ServiceContext(maintenance=True, version=1))
    root_path = "/root" if path.startswith("/root") else ""

    await gate(_scope(kind, path, root_path=root_path), _create_receive(), _collect_messages()[1])

    assert (application.served, in_flight.count) == ([kind], 0)


async def test_adds_no_task_to_a_request(gate: MaintenanceGate) -> None:
    before = asyncio.all_tasks()
    during: set[asyncio.Task[Any]] = set()

    async def receive() -> Message:
        return {}

    class TaskRecorder(Application):
        async def __call__(self, *_: Any) -> None:
            during.update(asyncio.all_tasks())

    gate._app = TaskRecorder()
    await gate(_scope(), receive, _collect_messages()[1])

    assert during == before


async def test_denies_a_handshake_with_a_response(gate: MaintenanceGate, state: MaintenanceState) -> None:
    await state.apply_change(ServiceContext(maintenance=True, version=1))
    sent, send = _collect_messages()

    await gate(_scope("websocket", extensions={"websocket.http.response": {}}), _create_receive(), send)

    assert [message["type"] for message in sent] == ["websocket.http.response.start", "websocket.http.response.body"]
    assert sent[0]["status"] == 503


async def test_closes_a_handshake_if_the_server_cannot_send_a_response(
    gate: MaintenanceGate, state: MaintenanceState
) -> None:
    await state.apply_change(ServiceContext(maintenance=True, version=1))
    sent, send = _collect_messages()

    await gate(_scope("websocket"), _create_receive(), send)

    assert [message["type"] for message in sent] == ["websocket.close"]


async def test_closes_an_open_websocket_and_lets_its_handler_clean_up(
    gate: MaintenanceGate, application: Application, state: MaintenanceState, in_flight: InFlight
) -> None:
    sent, send = _collect_messages()
    receive = _create_receive({"type": "websocket.connect"}, {"type": "websocket.receive", "text": "a"})
    socket = asyncio.create_task(gate(_scope("websocket"), receive, send))
    while len(sent) < 2:
        await asyncio.sleep(0)

    await state.apply_change(ServiceContext(maintenance=True, version=1))
    await socket

    assert [message["type"] for message in sent] == ["websocket.accept", "websocket.send", "websocket.close"]
    assert sent[-1]["code"] == 1012
    assert (application.cleaned_up, in_flight.count) == (True, 0)


async def test_closes_websockets_for_a_restart_and_refuses_new_ones(
    gate: MaintenanceGate, application: Application, in_flight: InFlight
) -> None:
    application.proceed.set()
    sent, send = _collect_messages()
    receive = _create_receive({"type": "websocket.connect"}, {"type": "websocket.receive", "text": "a"})
    socket = asyncio.create_task(gate(_scope("websocket"), receive, send))
    while len(sent) < 2:
        await asyncio.sleep(0)

    in_flight.stop()
    await socket
    refusal, send = _collect_messages()
    await gate(_scope("websocket", extensions={"websocket.http.response": {}}), _create_receive(), send)

    assert (sent[-1]["type"], sent[-1]["code"], sent[-1]["reason"]) == ("websocket.close", 1012, "restart")
    assert (refusal[0]["type"], refusal[0]["status"]) == ("websocket.http.response.start", 503)
    assert dict(refusal[0]["headers"])[b"retry-after"] == b"1"
    assert b"x-maintenance-mode" not in dict(refusal[0]["headers"])
    assert b"about to stop" in refusal[1]["body"]
    assert (application.served, in_flight.count) == (["websocket"], 0)
