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

log = structlog.get_logger(__name__)


class Drain:
    """From when the process is told to stop until it stops listening, `seconds` later."""

    def __init__(self, seconds: float, on_begin: Callable[[], None]) -> None:
        self._seconds = seconds
        self._on_begin = on_begin
        self._end: float | None = None

    @property
    def running(self) -> bool:
        return self._end is not None

    @property
    def over(self) -> bool:
        return self._end is not None and self._end <= time.monotonic()

    def begin(self) -> None:
        if self._end is None:
            self._end = time.monotonic() + self._seconds
            log.info("draining", seconds=self._seconds)
            logging.getLogger("asyncio").addFilter(_is_no_cancellation)
            self._on_begin()

    def listen(self) -> None:
        """Takes SIGTERM from the server, which stops on SIGINT as well; without a server, leaves it alone."""
        stopping = None if worker.follow_master(self.begin, lambda: self.over) else signal.SIGINT
        if stopping is None or callable(signal.getsignal(signal.SIGTERM)):
            loop = asyncio.get_running_loop()
            with suppress(RuntimeError, ValueError):  # on Windows, and outside of the main thread
                loop.add_signal_handler(signal.SIGTERM, self._stop, loop, stopping)

    def _stop(self, loop: asyncio.AbstractEventLoop, number: signal.Signals | None) -> None:
        if number is not None and not self.running:
            loop.call_later(self._seconds, signal.raise_signal, number)
        self.begin()


def register_drain(app: Quart, drain: Drain) -> None:
    """A response that is the last one of its connection says so, and no client sends another request after it."""

    @app.before_request
    async def _before() -> None:
        if drain.running and request.endpoint == "health.ready":
            raise UnavailableError("The service is about to stop.")

    @app.after_request
    async def _after(response: Response) -> Response:
        if drain.running and request.http_version.startswith("1"):
            response.headers["Connection"] = "close"
        return response


def _is_no_cancellation(record: logging.LogRecord) -> bool:
    """What is still open in the end is cancelled: no error, as asyncio on Python 3.11 would have it."""
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))
