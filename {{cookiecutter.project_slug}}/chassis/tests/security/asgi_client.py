"""Requests as a server passes them on, which the client of Quart would not make."""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from chassis.http.asgi import Headers, Message, Scope

HOST = [(b"host", b"localhost")]


@dataclass
class Answer:
    messages: list[Message] = field(default_factory=list)

    @property
    def status(self) -> int:
        return next(int(message["status"]) for message in self.messages if "status" in message)

    @property
    def headers(self) -> dict[str, str]:
        """Names are in lower case; several values of one name are joined, as HTTP does."""
        headers: dict[str, str] = {}
        for name, value in next(message["headers"] for message in self.messages if "status" in message):
            before = headers.get(name.decode().lower())
            headers[name.decode().lower()] = f"{before}, {value.decode()}" if before else value.decode()
        return headers

    @property
    def body(self) -> bytes:
        return b"".join(message["body"] for message in self.messages if message["type"].endswith(".body"))

    @property
    def problem(self) -> dict[str, Any]:
        problem: dict[str, Any] = json.loads(self.body)
        assert self.headers["content-type"] == "application/problem+json"
        assert problem["status"] == self.status
        return problem


def scope_of(method: str, path: str, headers: Headers = HOST, **more: Any) -> Scope:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": headers,
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 7000),
        "extensions": {"websocket.http.response": {}} if more.get("type") == "websocket" else {},
        **more,
    }


async def ask(
    app: Callable[..., Any],
    method: str,
    path: str,
    headers: Headers = HOST,
    body: Sequence[bytes] = (b"",),
    **more: Any,
) -> Answer:
    """Pass a request to the application; `body` has the parts in which the server receives it."""
    answer = Answer()
    parts: list[Message] = [{"type": "http.request", "body": part, "more_body": True} for part in body]
    parts[-1]["more_body"] = False
    kind = more.get("type", "http")
    if kind == "websocket":
        parts = [{"type": "websocket.connect"}]
    ended = asyncio.Event()

    async def receive() -> Message:
        if parts:
            return parts.pop(0)
        await ended.wait()
        return {"type": f"{kind}.disconnect", "code": 1006}

    async def send(message: Message) -> None:
        answer.messages.append(message)
        if message["type"].endswith((".body", ".close")) and not message.get("more_body"):
            ended.set()

    await app(scope_of(method, path, headers, **more), receive, send)
    return answer
