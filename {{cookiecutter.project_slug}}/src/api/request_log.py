"""Gives every request and every websocket an id and a line in the log, those included that nobody let in."""

import re
import time
from collections.abc import Callable
from uuid import uuid4

from structlog.contextvars import bind_contextvars, reset_contextvars

from src.api.asgi import ASGIApplication, Message, Receive, Scope, Send, header

BEGINS_ANSWER = {"http.response.start", "websocket.accept", "websocket.http.response.start"}
SWITCHING_PROTOCOLS = 101
REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")


class RequestLogMiddleware:
    """The id is answered as `X-Request-ID` and stands on each log line of the request.

    The line has no query string, which may hold personal data. Its `status` is null when the client was gone first.
    """

    def __init__(self, app: ASGIApplication, log: Callable[..., None] | None) -> None:
        """Without a `log` there are ids only."""
        self._app = app
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        request_id = _taken_over(scope) or uuid4().hex
        started = time.perf_counter()
        status: int | None = None

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] in BEGINS_ANSWER:
                status = message.get("status", SWITCHING_PROTOCOLS)
                headers = [*(message.get("headers") or ()), (b"x-request-id", request_id.encode())]
                message = {**message, "headers": headers}
            await send(message)

        bound = bind_contextvars(request_id=request_id)
        try:
            await self._app(scope, receive, send_with_id)
        finally:
            if self._log is not None:
                method, path = scope.get("method", "GET"), scope["path"]
                milliseconds = round((time.perf_counter() - started) * 1000, 2)
                self._log("request", method=method, path=path, status=status, milliseconds=milliseconds)
            reset_contextvars(**bound)


def _taken_over(scope: Scope) -> str | None:
    """The id of the caller, if it is one that can be logged as it is."""
    given = header(scope, b"x-request-id").decode("latin-1")
    return given if REQUEST_ID.fullmatch(given) else None
