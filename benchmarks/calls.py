"""Calls in this process: the noise of a server and a network would hide small differences."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

CALLS = 100  # per round: long enough for the clock, short enough for all to meet the same disturbances
HEADERS = [
    (b"host", b"localhost:7000"),
    (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
    (b"accept", b"application/json"),
    (b"accept-encoding", b"gzip, deflate, br"),
    (b"authorization", b"Bearer 0123456789abcdef0123456789abcdef"),
    (b"cookie", b"session=0123456789abcdef0123456789abcdef"),
    (b"x-request-id", b"0123456789abcdef0123456789abcdef"),
]
SCOPE = {
    "type": "http",
    "asgi": {"version": "3.0", "spec_version": "2.3"},
    "http_version": "1.1",
    "method": "GET",
    "scheme": "http",
    "query_string": b"",
    "root_path": "",
    "headers": HEADERS,
    "client": ("127.0.0.1", 50000),
    "server": ("127.0.0.1", 7000),
    "extensions": {},
}

Call = Callable[[], Awaitable[object]]


def request(application: Any, path: str, status: int = 200) -> Call:  # noqa: ANN401
    """Return a function that makes the request, and fails if it is answered with another status."""

    async def call() -> None:
        messages = [{"type": "http.request", "body": b"", "more_body": False}]
        answered = asyncio.get_running_loop().create_future()

        async def receive() -> dict[str, Any]:
            return messages.pop() if messages else await answered

        async def send(message: dict[str, Any]) -> None:
            if message.get("status", status) != status:
                raise RuntimeError(f"{path}: {message['status']}")
            if message["type"] == "http.response.body" and not message.get("more_body") and not answered.done():
                answered.set_result({"type": "http.disconnect"})  # Quart 0.23 waits for it

        await application({**SCOPE, "path": path, "raw_path": path.encode()}, receive, send)

    return call


async def measure(calls: Mapping[str, Call], rounds: int) -> dict[str, float]:
    """Return the CPU microseconds that each call costs: the least of all rounds, in which all calls take turns."""
    least = dict.fromkeys(calls, math.inf)
    for _ in range(rounds):
        for name, call in calls.items():
            least[name] = min(least[name], await microseconds_per_call(call))
    return least


async def microseconds_per_call(call: Call) -> float:
    started = time.process_time()
    for _ in range(CALLS):
        await call()
    return (time.process_time() - started) / CALLS * 1e6
