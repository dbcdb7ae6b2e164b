"""Refuses everything with 503 during a maintenance window, before the application sees it."""

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import structlog

from src.api.asgi import ASGIApplication, Headers, Message, Receive, Scope, Send, drop_body, header, preflight, refuse
from src.api.responses import PROBLEM_TYPE, problem_json
from src.api.schemas.maintenance import MaintenanceProblemSchema
from src.domain.maintenance_state import MaintenanceState

EXPOSED_HEADERS = ("ETag", "Retry-After", "X-Maintenance-Mode", "X-Request-ID")
MAX_COUNTDOWN = 3600  # seconds
ABOUT_TO_STOP = "The service is about to stop."
SERVICE_RESTART = 1012  # https://www.iana.org/assignments/websocket/websocket.xhtml

log = structlog.get_logger(__name__)
View = TypeVar("View", bound=Callable[..., Any])


def maintenance_exempt(view: View) -> View:
    """The route of this view is reachable during a maintenance window; it must not have parameters."""
    view.maintenance_exempt = True  # type: ignore[attr-defined]
    return view


class MaintenanceGate:
    """One look at a boolean in memory and a count of what is inside: no query and no task per request."""

    def __init__(
        self,
        app: ASGIApplication,
        state: MaintenanceState,
        *,
        exempt: Iterable[str],
        retry_after: int,
        origins: Iterable[str] = (),
    ) -> None:
        """`exempt` are exact paths, `retry_after` is in seconds, `origins` may read the refusal in a browser."""
        self.in_flight = 0
        self._app = app
        self._state = state
        self._exempt = frozenset(path for each in exempt for path in (each, f"{each}/"))
        self._retry_after = retry_after
        self._origins = frozenset(origin.encode() for origin in origins)
        self._sockets: set[_Socket] = set()
        self._closed = self._stopping = False
        self._follow()
        state.observe(self._follow)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        exempt = kind == "lifespan" or scope["path"].removeprefix(scope.get("root_path", "")) in self._exempt
        if exempt or (self._closed and preflight(scope)):  # which asks nothing but headers
            await self._app(scope, receive, send)
            return
        if self._closed:
            await drop_body(scope, receive)
            await refuse(scope, send, 503, self._headers(scope), self._body)
            return
        if self._stopping and kind == "websocket":  # another instance accepts it
            await refuse(scope, send, 503, _headers(1), problem_json(503, ABOUT_TO_STOP, scope["path"]).encode())
            return
        self.in_flight += 1
        try:
            if kind == "websocket":
                await self._serve_socket(scope, receive, send)
            else:
                await self._app(scope, receive, send)
        finally:
            self.in_flight -= 1

    def _follow(self) -> None:
        """Prepares the refusal, once per change."""
        before, self._closed = self._closed, self._state.closed
        context = self._state.context
        if self._closed != before and self._state.known:
            log.info("maintenance", closed=self._closed, version=context.version)
        problem = MaintenanceProblemSchema.of(context if self._state.known else None)
        self._body = problem.model_dump_json(exclude_unset=True).encode()
        self._until = context.expected_end.timestamp() if context.expected_end else None
        if self._closed:
            self._restart_sockets("maintenance")

    def close_sockets(self) -> None:
        """As another instance is to serve their clients; those that come later are not let in."""
        self._stopping = True
        self._restart_sockets("restart")

    def _restart_sockets(self, reason: str) -> None:
        for socket in self._sockets:
            socket.restart(reason)

    def _headers(self, scope: Scope) -> Headers:
        seconds = int(self._until - time.time()) if self._until else 0
        headers = _headers(min(seconds, MAX_COUNTDOWN) if seconds > 0 else self._retry_after)
        if self._state.known:
            headers.append((b"x-maintenance-mode", b"1"))
        if self._origins:
            headers.append((b"vary", b"Origin"))
            origin = header(scope, b"origin")
            if origin in self._origins or (origin and b"*" in self._origins):
                headers.append((b"access-control-allow-origin", origin))
                headers.append((b"access-control-expose-headers", ", ".join(EXPOSED_HEADERS).encode()))
        return headers

    async def _serve_socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        socket = _Socket(receive, send)
        self._sockets.add(socket)
        try:
            await self._app(scope, socket.receive, socket.send)
        finally:
            self._sockets.discard(socket)


class _Socket:
    """A websocket that the server side may close: the application sees a client that left."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._restart: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._closed = False

    def restart(self, reason: str) -> None:
        if not self._restart.done():
            self._restart.set_result(reason)

    async def receive(self) -> Message:
        message = asyncio.ensure_future(self._receive())
        try:
            await asyncio.wait([message, self._restart], return_when=asyncio.FIRST_COMPLETED)
            if not self._restart.done():
                return message.result()
        finally:
            message.cancel()
        await self.send({"type": "websocket.close", "code": SERVICE_RESTART, "reason": self._restart.result()})
        self._closed = True
        return {"type": "websocket.disconnect", "code": SERVICE_RESTART}

    async def send(self, message: Message) -> None:
        if not self._closed:
            await self._send(message)


def _headers(retry_after: int) -> Headers:
    values = {b"content-type": PROBLEM_TYPE, b"cache-control": "no-store", b"retry-after": str(retry_after)}
    return [(name, value.encode()) for name, value in values.items()]
