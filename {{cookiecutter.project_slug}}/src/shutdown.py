"""A server that closes idle connections on SIGTERM loses the request that is on its way on one of them.

So the application is first: for a while it goes on serving, is not ready any more, and asks clients to connect anew.
A proxy turns to other instances; then the server stops, which is to wait for what is in flight.
"""

import asyncio
import logging
import signal
import time
from collections.abc import Callable
from contextlib import suppress

import structlog
from quart import Quart, Response, request

from src import worker
from src.domain.exceptions import UnavailableError

QUIET = 1.0  # seconds without a new request, then nobody comes any more
LOOK = 0.1  # seconds

log = structlog.get_logger(__name__)


class Drain:
    """From when the process is told to stop until it stops listening: at most `seconds`, less when nobody asks."""

    def __init__(self, seconds: float, on_begin: Callable[[], None]) -> None:
        self._seconds = seconds
        self._on_begin = on_begin
        self._began: float | None = None
        self._asked = time.monotonic()

    @property
    def running(self) -> bool:
        return self._began is not None

    @property
    def over(self) -> bool:
        now = time.monotonic()
        return self._began is not None and min(self._began + self._seconds, self._asked + QUIET) <= now

    def begin(self) -> None:
        if self._began is None:
            self._began = time.monotonic()
            log.info("draining", seconds=self._seconds)
            logging.getLogger("asyncio").addFilter(_is_no_cancellation)
            self._on_begin()

    def asked(self) -> None:
        self._asked = time.monotonic()

    def listen(self) -> None:
        """Takes SIGTERM from the server, which stops on SIGINT as well; without a server, leaves it alone."""
        stopping = None if worker.follow_master(self.begin, lambda: self.over) else signal.SIGINT
        if stopping is None or callable(signal.getsignal(signal.SIGTERM)):
            loop = asyncio.get_running_loop()
            with suppress(RuntimeError, ValueError):  # on Windows, and outside of the main thread
                loop.add_signal_handler(signal.SIGTERM, self._stop, loop, stopping)

    def _stop(self, loop: asyncio.AbstractEventLoop, number: signal.Signals | None) -> None:
        self.begin()
        if number is None:
            return
        if self.over:
            signal.raise_signal(number)
        else:
            loop.call_later(LOOK, self._stop, loop, number)


def register_drain(app: Quart, drain: Drain) -> None:
    """A response that is the last one of its connection says so, and no client sends another request after it."""

    @app.before_request
    async def _before() -> None:
        if request.blueprint != "health":
            drain.asked()
        elif drain.running and request.endpoint == "health.ready":
            raise UnavailableError("The service is about to stop.")

    @app.after_request
    async def _after(response: Response) -> Response:
        if drain.running and request.http_version.startswith("1"):
            response.headers["Connection"] = "close"
        return response


def _is_no_cancellation(record: logging.LogRecord) -> bool:
    """What is still open in the end is cancelled: no error, as asyncio on Python 3.11 would have it."""
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))
