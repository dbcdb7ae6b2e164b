"""ASGI calls are made in this process: the noise of a server and a network would hide small differences."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

ROUNDS = 200
CALLS = 500  # per round: long enough for the clock, short enough for both sides to meet the same disturbances
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
    """Return a function that makes the request, and the list to which it appends statuses."""
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
    started = time.process_time()
    for _ in range(calls):
        await call()
    return (time.process_time() - started) / calls


async def time_alternately(first: Call, second: Call, calls: int) -> tuple[list[float], list[float]]:
    """Return the CPU seconds per call of each round; the two take turns in beginning."""
    seconds: dict[Call, list[float]] = {first: [], second: []}
    for number in range(ROUNDS):
        for call in (first, second) if number % 2 else (second, first):
            seconds[call].append(await seconds_per_call(call, calls))
    return seconds[first], seconds[second]
