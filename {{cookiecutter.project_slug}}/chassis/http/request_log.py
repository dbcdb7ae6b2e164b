"""Every request and every websocket has an id and one line in the log, also if it is refused."""

import re
import time
from collections.abc import Callable
from os import urandom

from structlog.contextvars import bind_contextvars, reset_contextvars

from chassis.http.asgi import ASGIApplication, Receive, Scope, Send, get_header
from chassis.http.shared_response import share_response

REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")


class RequestLogMiddleware:
    """Sends the id as `X-Request-ID` and binds it to all log lines of the request.

    The access line has no query string, which may hold personal data.
    Its `client` is the address in front of the proxies, null on a Unix socket.
    Its `status` is null if the client left before the response began.
    """

    def __init__(self, app: ASGIApplication, log: Callable[..., None] | None) -> None:
        """`log` writes the access line; with None there are ids only."""
        self._app = app
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        request_id = _caller_id(scope) or urandom(16).hex()
        started = time.perf_counter()
        response, send = share_response(scope, send)
        response.headers.append((b"x-request-id", request_id.encode()))
        tokens = bind_contextvars(request_id=request_id)
        try:
            await self._app(scope, receive, send)
        finally:
            if self._log is not None:
                self._log(
                    "request",
                    client=_address(scope),
                    method=scope.get("method", "GET"),
                    path=scope["path"],
                    status=response.status,
                    milliseconds=round((time.perf_counter() - started) * 1000, 2),
                )
            reset_contextvars(**tokens)


def _caller_id(scope: Scope) -> str | None:
    """Return the caller's id if it can be logged unchanged."""
    value = get_header(scope, b"x-request-id").decode("latin-1")
    return value if value and REQUEST_ID.fullmatch(value) else None


def _address(scope: Scope) -> str | None:
    client = scope.get("client")
    return str(client[0]) if client else None
