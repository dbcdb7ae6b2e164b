"""Clients that read nothing, and requests that take long: a drain cuts off the ones and names the others."""

import asyncio
import socket

import pytest
from structlog.testing import capture_logs

from chassis.app import ChassisApp
from chassis.http.asgi import ASGIApplication, Message, Receive, Scope, Send
from chassis.maintenance import in_flight as in_flight_module
from chassis.maintenance import window
from chassis.maintenance.drain import DrainStatus
from chassis.maintenance.gate import MaintenanceGate
from chassis.maintenance.in_flight import InFlight
from chassis.maintenance.service_context import ServiceContext
from chassis.maintenance.state import MaintenanceState
from chassis.maintenance.window import DrainReport, describe_drain
from chassis.maintenance.worker_name import (
    MAX_LENGTH,
    MIN_PLACE_LENGTH,
    Worker,
    closed_gate_name,
    parse_worker_name,
)

ACTIVE = ServiceContext(maintenance=True, version=1)


class SlowClient:
    """An ASGI server whose client reads the beginning of a response, and then nothing or little by little."""

    def __init__(self, reads: int) -> None:
        self._reads = reads
        self.sent: list[Message] = []
        self.reading = asyncio.Event()

    async def send(self, message: Message) -> None:
        if len(self.sent) >= self._reads:
            await self.reading.wait()
        self.sent.append(message)


async def send_without_end(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    while True:
        await send({"type": "http.response.body", "body": b"x", "more_body": True})


async def receive_nothing() -> Message:
    await asyncio.sleep(60)
    return {"type": "http.disconnect"}


async def discard(_message: Message) -> None: ...


def scope_of(kind: str = "http", path: str = "/download") -> Scope:
    scope = {"type": kind, "path": path, "headers": []}
    return scope if kind == "websocket" else {**scope, "method": "GET"}


async def do_nothing() -> None: ...


def create_gate(app: ASGIApplication, in_flight: InFlight) -> tuple[MaintenanceGate, MaintenanceState]:
    state = MaintenanceState(do_nothing)
    return MaintenanceGate(app, state, in_flight, exempt=[], retry_after=60), state


async def test_a_client_that_reads_nothing_does_not_hold_a_drain() -> None:
    in_flight, client = InFlight(send_timeout=0.3), SlowClient(reads=3)
    gate, state = create_gate(send_without_end, in_flight)
    request = asyncio.create_task(gate(scope_of(), receive_nothing, client.send))
    await asyncio.sleep(0.6)
    assert in_flight.count == 1  # without a drain it may be as slow as it likes

    with capture_logs() as lines:
        await state.apply_change(ACTIVE)
        await asyncio.wait([request], timeout=5)

    request.result()  # it ends as if the client had left
    assert in_flight.count == 0
    assert [line["request"] for line in lines if line["log_level"] == "warning"] == ["GET /download"]


async def test_a_client_that_reads_slowly_is_waited_for() -> None:
    in_flight, client = InFlight(send_timeout=0.5), SlowClient(reads=1)

    async def send_some(_scope: Scope, _receive: Receive, send: Send) -> None:
        for _ in range(5):
            await send({"type": "http.response.body", "body": b"x", "more_body": True})

    gate, state = create_gate(send_some, in_flight)
    request = asyncio.create_task(gate(scope_of(), receive_nothing, client.send))
    await asyncio.sleep(0)
    await state.apply_change(ACTIVE)
    for _ in range(4):
        await asyncio.sleep(0.3)
        client._reads += 1
        client.reading.set()
        client.reading.clear()

    await asyncio.wait_for(request, 5)

    assert len(client.sent) == 5


async def test_a_websocket_whose_client_reads_nothing_does_not_hold_a_drain() -> None:
    """Not even the message that closes it can be sent."""
    in_flight, client = InFlight(send_timeout=0.3), SlowClient(reads=1)

    async def talk(_scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":
            await send({"type": "websocket.send", "text": "x"})

    gate, state = create_gate(talk, in_flight)
    request = asyncio.create_task(gate(scope_of("websocket", "/socket"), receive_nothing, client.send))
    await asyncio.sleep(0.05)

    await state.apply_change(ACTIVE)
    await asyncio.wait([request], timeout=5)

    assert in_flight.count == 0


async def test_a_drain_names_what_it_waits_for_by_route_and_age(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(in_flight_module, "REPORT_SECONDS", 0.3)
    in_flight, may_end = InFlight(), asyncio.Event()

    async def wait(_scope: Scope, _receive: Receive, _send: Send) -> None:
        await may_end.wait()

    gate, state = create_gate(wait, in_flight)
    paths = [asyncio.create_task(gate(scope_of(path=f"/{name}"), receive_nothing, discard)) for name in ("old", "new")]
    await asyncio.sleep(0)

    with capture_logs() as lines, in_flight.background("send_mails"):
        await state.apply_change(ACTIVE)
        async with asyncio.timeout(5):
            while not any(line["event"] == "still in flight" for line in lines):
                await asyncio.sleep(0.05)
        seconds = in_flight.oldest_seconds()
        may_end.set()
        await asyncio.gather(*paths)

    (report,) = [line for line in lines if line["event"] == "still in flight"]
    assert (report["log_level"], report["reason"], report["count"]) == ("warning", "maintenance", 3)
    assert sorted(line.partition(",")[0] for line in report["oldest"]) == ["GET /new", "GET /old", "send_mails"]
    assert all(line.endswith(" s") for line in report["oldest"])
    assert seconds >= 0.3
    assert in_flight.oldest_seconds() == 0


async def test_a_background_task_is_named_after_its_function(app: ChassisApp) -> None:
    may_end = asyncio.Event()

    async def send_mails(address: str) -> None:
        assert address == "a@example.com"
        await may_end.wait()

    async with app.app_context():
        app.add_background_task(send_mails, "a@example.com")
    await asyncio.sleep(0)
    names = [work.name for work in app.container.in_flight()._work()]
    may_end.set()
    await asyncio.gather(*app.background_tasks)

    assert [name.rpartition(".")[2] for name in names] == ["send_mails"]


@pytest.mark.parametrize(
    ("service", "in_flight", "seconds", "shown_seconds"),
    [
        ("service", 3, 74, 74),
        ("service", 3, 0, 0),
        ("service", 0, 74, 0),
        ("service", 87654321, 99999, 99999),
        ("a-service-with-a-long-name-of-many-bytes", 3, 74, 74),
        ("a-service-with-a-long-name-of-many-bytes", 87654, 99999, 0),  # the place is more important
    ],
)
def test_the_name_of_a_worker_holds_the_age_of_its_oldest_request_if_there_is_room(
    service: str, in_flight: int, seconds: int, shown_seconds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "deployment-" * 10 + "pod")

    name = closed_gate_name(service, 1234, in_flight, seconds)
    worker = parse_worker_name(name, service)

    assert len(name.encode()) <= MAX_LENGTH
    assert worker
    assert (worker.version, worker.in_flight, worker.oldest_seconds) == (1234, in_flight, shown_seconds)
    assert len(worker.place) >= MIN_PLACE_LENGTH


def test_the_progress_of_a_drain_shows_the_age_of_the_oldest_request() -> None:
    draining = [Worker(7, 3, "host/1", 74), Worker(7, 2, "host/2", 12), Worker(0, 0, "")]

    status = DrainStatus(active=True, workers=8, draining=draining)

    assert describe_drain(status) == "3 of 8 workers draining (5 in flight), the oldest for 74 s"


def test_shows_the_progress_of_a_drain_when_it_changes_and_from_time_to_time(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(window, "monotonic", lambda: now)
    report = DrainReport()
    for second, in_flight in enumerate([2, 2, *[1] * 15]):
        now = 100.0 + second
        report.show(DrainStatus(active=True, workers=1, draining=[Worker(7, in_flight, "host/1", 60 + second)]))

    assert capsys.readouterr().err.splitlines() == [
        "1 of 1 workers draining (2 in flight), the oldest for 60 s",
        "1 of 1 workers draining (1 in flight), the oldest for 62 s",
        "1 of 1 workers draining (1 in flight), the oldest for 72 s",
    ]
