"""The types of https://asgi.readthedocs.io/en/latest/specs/main.html, and how a connection is refused."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApplication = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

# What a client may still send before it gets its refusal.
LINGER_SECONDS = 5.0
LINGER_BYTES = 64 * 1024 * 1024


def header(scope: Scope, name: bytes) -> bytes:
    """The first header of this name, which is in lower case; empty where there is none."""
    return next((value for key, value in scope["headers"] if key.lower() == name), b"")


def preflight(scope: Scope) -> bool:
    return scope.get("method") == "OPTIONS" and bool(header(scope, b"access-control-request-method"))


async def refuse(scope: Scope, send: Send, status: int, headers: Headers, body: bytes) -> None:
    """Answers an HTTP request, or a websocket handshake that the server can deny with a response."""
    kind = "http.response"
    if scope["type"] == "websocket":
        if "websocket.http.response" not in (scope.get("extensions") or {}):
            await send({"type": "websocket.close", "code": 1008, "reason": None})
            return
        kind = "websocket.http.response"
    headers = [*headers, (b"content-length", str(len(body)).encode())]
    await send({"type": f"{kind}.start", "status": status, "headers": headers})
    await send({"type": f"{kind}.body", "body": b"" if scope.get("method") == "HEAD" else body, "more_body": False})


async def drop_body(scope: Scope, receive: Receive) -> None:
    """Before a refusal: a server that has answered closes the connection on a client which is still sending.

    That client would see a broken pipe and no answer.
    """
    if announces_body(scope):
        body = WatchedBody(receive)
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                while not body.ended.is_set():
                    await body.receive()


def announces_body(scope: Scope) -> bool:
    return scope["type"] == "http" and any(
        name.lower() in (b"content-length", b"transfer-encoding") and value != b"0" for name, value in scope["headers"]
    )


class WatchedBody:
    """`ended` is set when there is no more to receive, or more than anybody has to listen to."""

    def __init__(self, receive: Receive) -> None:
        self.ended = asyncio.Event()
        self._receive = receive
        self._size = 0

    async def receive(self) -> Message:
        message = await self._receive()
        self._size += len(message.get("body", b""))
        if not message.get("more_body") or self._size > LINGER_BYTES:
            self.ended.set()
        return message
