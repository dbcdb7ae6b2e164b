"""The requests and websockets that the gate has let in and that have not ended yet."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from chassis.http.asgi import ASGIApplication, Receive, Scope, Send
from chassis.http.streams import CLOSING, Closing
from chassis.maintenance.connections import Socket, TrackedRequest, Work

REPORT_SECONDS = 5.0  # that a drain lasts before the log names what it waits for
REPEAT_SECONDS = 30.0  # until the log names it again
CHECK_SECONDS = 0.25
MAX_REPORTED = 10

log = structlog.get_logger(__name__)


class InFlight:
    """Ends websockets and streams when the instance drains, and cuts off clients that take nothing any more.

    `count` includes open websockets; once `stopping` is set, no new websocket is accepted.
    """

    def __init__(self, send_timeout: float = 5.0) -> None:
        """`send_timeout` is how many seconds a drain waits for a client that takes nothing of its response."""
        self.stopping = False
        self._send_timeout = send_timeout
        self._closing = Closing()
        self._requests: dict[TrackedRequest, None] = {}
        self._sockets: dict[Socket, None] = {}
        self._background: dict[Work, None] = {}
        self._drain_reason = ""
        self._report_due = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def count(self) -> int:
        return len(self._requests)

    def oldest_seconds(self) -> float:
        """Return for how long the oldest request, websocket or background task has been in flight, or 0."""
        return max((work.seconds for work in self._work()), default=0)

    async def serve(self, app: ASGIApplication, scope: Scope, receive: Receive, send: Send) -> None:
        """Count a request or a websocket while the application handles it."""
        request = TrackedRequest(scope, send)
        self._requests[request] = None
        scope[CLOSING] = self._closing
        if self.stopping and self._timer is None:
            self._watch()
        try:
            if scope["type"] == "websocket":
                await self._serve_socket(app, scope, receive, request.send)
            else:
                await app(scope, receive, request.send)
        except asyncio.CancelledError:
            if not request.has_been_cut:  # a client that takes nothing is no error of the server, which would log it
                raise
        finally:
            del self._requests[request]

    async def _serve_socket(self, app: ASGIApplication, scope: Scope, receive: Receive, send: Send) -> None:
        socket = Socket(receive, send)
        self._sockets[socket] = None
        try:
            await app(scope, socket.receive, socket.send)
        finally:
            del self._sockets[socket]

    @contextmanager
    def background(self, name: str) -> Iterator[None]:
        """Name a background task in the log; it is counted by the application."""
        work = Work(name)
        self._background[work] = None
        try:
            yield
        finally:
            del self._background[work]

    def begin_drain(self, reason: str) -> None:
        """End all streams and websockets, whose clients are to reconnect, and watch what remains."""
        self._drain_reason = reason
        self._report_due = time.monotonic() + REPORT_SECONDS
        self._closing.set()
        for socket in self._sockets:
            socket.close(reason)
        self._watch()

    def end_drain(self) -> None:
        if not self.stopping:
            self._closing.clear()
            self._stop_watching()

    def stop(self) -> None:
        """Drain for good, because another instance is to serve the clients."""
        self.stopping = True
        self.begin_drain("restart")

    def _work(self) -> list[Work]:
        return [*self._requests, *self._background]

    def _watch(self) -> None:
        """Cut off stalled clients and log what is slow, as long as something is in flight."""
        self._stop_watching()
        now = time.monotonic()
        for request in self._requests:
            if request.cut_if_stalled(now, self._send_timeout):
                log.warning("connection cut: the client takes nothing", request=request.name)
        self._report(now)
        if self._requests or self._background:
            self._timer = asyncio.get_running_loop().call_later(CHECK_SECONDS, self._watch)

    def _stop_watching(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _report(self, now: float) -> None:
        slow = [work for work in self._work() if work.seconds >= REPORT_SECONDS]
        if slow and now >= self._report_due:
            self._report_due = now + REPEAT_SECONDS
            slow.sort(key=lambda work: work.seconds, reverse=True)
            oldest = [f"{work.name}, {work.seconds:.0f} s" for work in slow[:MAX_REPORTED]]
            log.warning("still in flight", reason=self._drain_reason, count=len(slow), oldest=oldest)
