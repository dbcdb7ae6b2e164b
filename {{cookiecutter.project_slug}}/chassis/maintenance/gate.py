"""The gate refuses requests with 503 during a maintenance window, before the application sees them."""

import time
from collections.abc import Iterable, Sequence
from datetime import datetime

import structlog

from chassis.http.asgi import (
    ASGIApplication,
    Headers,
    Receive,
    Scope,
    Send,
    discard_body,
    is_preflight,
    refuse,
)
from chassis.http.cors import CrossOriginHeaders
from chassis.http.problems import PROBLEM_TYPE, problem_body
from chassis.http.schemas.problem import ProblemSchema
from chassis.http.shared_response import share_response
from chassis.maintenance.in_flight import InFlight
from chassis.maintenance.service_context import ServiceContext
from chassis.maintenance.state import MaintenanceState

MESSAGE = "Service is currently enduring maintenance"  # what the Flask template answered
UNKNOWN = "The state of the maintenance window is unknown: the database has not answered yet"
ABOUT_TO_STOP = "The service is about to stop."
MAX_COUNTDOWN = 3600  # seconds

log = structlog.get_logger(__name__)


class MaintenanceProblemSchema(ProblemSchema):
    """The 503 of a maintenance window; `message` is the member of the Flask template."""

    message: str
    since: datetime | None
    expected_end: datetime | None


class MaintenanceGate:
    """Costs each request a look at one boolean and at one counter in memory: no query, no I/O and no task."""

    def __init__(
        self,
        app: ASGIApplication,
        state: MaintenanceState,
        in_flight: InFlight,
        *,
        exempt: Iterable[str],
        retry_after: int,
        origins: Sequence[str] = (),
    ) -> None:
        """`exempt` are exact paths, `retry_after` is in seconds, `origins` may read the refusal in a browser."""
        self._app = app
        self._state = state
        self._in_flight = in_flight
        self._exempt = frozenset(path for each in exempt for path in (each, f"{each}/"))
        self._retry_after = retry_after
        self._cross_origin = CrossOriginHeaders(origins)
        self._is_closed = False
        self._follow_state()
        state.subscribe(self._follow_state)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if self._in_flight.stopping:
            send = _close_after_response(scope, send)
        exempt = kind == "lifespan" or scope["path"].removeprefix(scope.get("root_path", "")) in self._exempt
        if exempt or (self._is_closed and is_preflight(scope)):  # the answer to a preflight has headers only
            await self._app(scope, receive, send)
            return
        if self._is_closed:
            await discard_body(scope, receive)
            await refuse(scope, send, 503, self._headers(scope), self._body)
            return
        if kind == "websocket" and self._in_flight.stopping:  # another instance accepts it
            body = problem_body(503, ABOUT_TO_STOP, scope["path"])
            await refuse(scope, send, 503, _headers(retry_after=1), body.encode())
            return
        await self._in_flight.serve(self._app, scope, receive, send)

    def _follow_state(self) -> None:
        """Open or close the gate, and prepare its refusal once per change."""
        was_closed, self._is_closed = self._is_closed, self._state.gate_closed
        context = self._state.context
        if self._is_closed != was_closed and self._state.known and self._state.is_watched:
            log.info(
                "maintenance gate closed" if self._is_closed else "maintenance gate opened", version=context.version
            )
        self._body = _refusal_body(context, known=self._state.known).encode()
        self._expected_end = context.expected_end.timestamp() if context.expected_end else None
        if self._is_closed and not was_closed:
            self._in_flight.begin_drain("maintenance")
        elif was_closed and not self._is_closed:
            self._in_flight.end_drain()

    def _headers(self, scope: Scope) -> Headers:
        seconds = int(self._expected_end - time.time()) if self._expected_end else 0
        headers = _headers(retry_after=min(seconds, MAX_COUNTDOWN) if seconds > 0 else self._retry_after)
        if self._state.known:
            headers.append((b"x-maintenance-mode", b"1"))
        return headers + self._cross_origin.for_request(scope)


def _close_after_response(scope: Scope, send: Send) -> Send:
    """Ask the client to reconnect, so that a proxy turns to another instance; HTTP/2 has no such header."""
    if scope["type"] == "http" and scope.get("http_version", "1.1").startswith("1"):
        response, send = share_response(scope, send)
        response.headers.append((b"connection", b"close"))
    return send


def _headers(*, retry_after: int) -> Headers:
    values = {b"content-type": PROBLEM_TYPE, b"cache-control": "no-store", b"retry-after": str(retry_after)}
    return [(name, value.encode()) for name, value in values.items()]


def _refusal_body(context: ServiceContext, *, known: bool) -> str:
    return problem_body(
        503,
        (context.message or MESSAGE) if known else UNKNOWN,
        schema=MaintenanceProblemSchema,
        message=MESSAGE if known else UNKNOWN,
        since=context.since,
        expected_end=context.expected_end,
    )
