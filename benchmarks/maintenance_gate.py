"""What the maintenance gate costs: per call while it is open, and per refusal while it is closed.

usage: PYTHON benchmarks/maintenance_gate.py [PROJECT]

PYTHON is that of a generated project, .venv/bin/python for instance; PROJECT is its folder, by default the template.
All calls are ASGI calls in this process, without server and network, so the differences are not hidden by theirs.
"""

import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from importlib import import_module
from pathlib import Path
from typing import Any

TEMPLATE = Path(__file__).resolve().parent.parent / "{{cookiecutter.project_slug}}"
ROUNDS = 200
CALLS = 500  # per round: long enough for the clock, short enough for both sides to meet the same disturbances
SETTINGS = {
    "APP_ENV": "testing",
    "SQLALCHEMY_DATABASE_URI": "postgresql://nobody@127.0.0.1:1/nothing",  # is never asked
    "LOG_LEVEL": "WARNING",
}
HEADERS = [
    (b"host", b"localhost:7000"),
    (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
    (b"accept", b"application/json"),
    (b"accept-encoding", b"gzip, deflate, br"),
    (b"authorization", b"Bearer 0123456789abcdef0123456789abcdef"),
    (b"cookie", b"session=0123456789abcdef0123456789abcdef"),
    (b"x-request-id", b"0123456789abcdef0123456789abcdef"),
]

Call = Callable[[], Awaitable[None]]


def request(application: Any, path: str) -> tuple[Call, list[int]]:  # noqa: ANN401
    """A function that makes the request, and the list of statuses that it appends to."""
    statuses: list[int] = []

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    async def call() -> None:
        messages = [{"type": "http.request", "body": b"", "more_body": False}]

        async def receive() -> dict[str, Any]:
            return messages.pop() if messages else await asyncio.Future()

        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": HEADERS,
            "client": ("127.0.0.1", 50000),
            "server": ("127.0.0.1", 7000),
            "extensions": {},
        }
        await application(scope, receive, send)

    return call, statuses


async def seconds_per_call(call: Call, calls: int) -> float:
    started = time.perf_counter()
    for _ in range(calls):
        await call()
    return (time.perf_counter() - started) / calls


async def alternating(first: Call, second: Call, calls: int) -> tuple[list[float], list[float]]:
    """Seconds per call of each round; which one begins changes from round to round."""
    seconds: dict[Call, list[float]] = {first: [], second: []}
    for number in range(ROUNDS):
        for call in (first, second) if number % 2 else (second, first):
            seconds[call].append(await seconds_per_call(call, calls))
    return seconds[first], seconds[second]


async def nothing(_scope: object, _receive: object, _send: object) -> None:
    """The application behind the gate, so that the difference is the gate."""


async def main() -> None:
    create_app = import_module("src.create_app").create_app
    app = create_app(import_module("src.config").Config.load(_env_file=None, **SETTINGS))
    state = app.container.maintenance_state()
    gate_class = import_module("src.api.maintenance_gate").MaintenanceGate
    gate = gate_class(nothing, state, exempt=["/health/live", "/health/ready"], retry_after=60)
    without, _ = request(nothing, "/v1/todo")
    through, _ = request(gate, "/v1/todo")
    before, after = await alternating(without, through, CALLS)
    added = statistics.median(b - a for a, b in zip(before, after, strict=True))
    print(f"the open gate adds {added * 1e6:.2f} µs to a call (median of {ROUNDS} rounds)")  # noqa: T201

    context = import_module("src.domain.service_context").ServiceContext
    await state.change(context(maintenance=True, version=1))
    refused, refusals = request(app, "/v1/todo")
    served, answers = request(app, "/health/live")
    refusing, serving = await alternating(refused, served, CALLS // 50)
    if {*refusals} != {503} or {*answers} != {200}:
        sys.exit(f"Unexpected answers: {refusals[-1]}, {answers[-1]}")
    for name, seconds in (("refused with 503", refusing), ("served by GET /health/live", serving)):
        print(f"{name}: {1 / statistics.median(seconds):,.0f} requests per second")  # noqa: T201


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    sys.path.insert(0, sys.argv[1] if len(sys.argv) > 1 else str(TEMPLATE))
    asyncio.run(main())
