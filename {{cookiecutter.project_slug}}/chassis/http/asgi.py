"""The types of https://asgi.readthedocs.io/en/latest/specs/main.html, and how middleware refuses a connection."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApplication = Callable[[Scope, Receive, Send], Awaitable[None]]
Middleware = Callable[[ASGIApplication], ASGIApplication]
Headers = list[tuple[bytes, bytes]]

_ANNOUNCEMENTS = {b"content-length", b"transfer-encoding"}
BEGINS_RESPONSE = {"http.response.start", "websocket.http.response.start"}

# A client that is still sending is refused after this time or amount.
LINGER_SECONDS = 5.0
LINGER_BYTES = 64 * 1024 * 1024


def get_header(scope: Scope, name: bytes) -> bytes:
    """Return the first header of this lower-case name, or nothing if there is none."""
    for key, value in scope["headers"]:
        if key.lower() == name:
            return bytes(value)
    return b""


def is_preflight(scope: Scope) -> bool:
    return scope.get("method") == "OPTIONS" and bool(get_header(scope, b"access-control-request-method"))


def announces_body(scope: Scope) -> bool:
    if scope["type"] == "http":
        for name, value in scope["headers"]:
            if name.lower() in _ANNOUNCEMENTS and value != b"0":
                return True
    return False


async def refuse(scope: Scope, send: Send, status: int, headers: Headers, body: bytes) -> None:
    """Answer an HTTP request, or a websocket handshake that the server can deny with a response."""
    kind = "http.response"
    if scope["type"] == "websocket":
        if "websocket.http.response" not in (scope.get("extensions") or {}):
            await send({"type": "websocket.close", "code": 1008, "reason": None})
            return
        kind = "websocket.http.response"
    headers = [*headers, (b"content-length", str(len(body)).encode())]
    await send({"type": f"{kind}.start", "status": status, "headers": headers})
    await send({"type": f"{kind}.body", "body": b"" if scope.get("method") == "HEAD" else body, "more_body": False})


async def discard_body(scope: Scope, receive: Receive) -> None:
    """Receive the body before a refusal.

    A server that has answered closes the connection while the client is still sending;
    the client would see a broken pipe and no answer.
    """
    if announces_body(scope):
        body = WatchedBody(receive)
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                while not body.ended.is_set():
                    await body.receive()


class WatchedBody:
    """`ended` is set when the body is complete, the client has left, or `LINGER_BYTES` have been received."""

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
