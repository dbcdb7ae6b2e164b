"""On SIGTERM and SIGHUP the application drains before its server stops.

A server that closes idle connections at once loses requests that are on their way over one of them.
So for a while the application goes on serving, but it is not ready and asks clients to reconnect,
so that a proxy turns to other instances. Then the server stops and waits for requests in flight.
"""

import asyncio
import logging
import signal
import sys
from collections.abc import Callable
from contextlib import suppress

import structlog

log = structlog.get_logger(__name__)


class Drain:
    """The time from SIGTERM or SIGHUP until the server stops listening, `seconds` later."""

    def __init__(self, seconds: float, on_begin: Callable[[], None]) -> None:
        self._seconds = seconds
        self._on_begin = on_begin
        self.is_running = False

    def begin(self) -> None:
        if not self.is_running:
            self.is_running = True
            log.info("draining", seconds=self._seconds)
            logging.getLogger("asyncio").addFilter(_is_not_cancellation)
            self._on_begin()

    def handle_signals(self) -> None:
        """Handle SIGTERM and SIGHUP, and stop the server by SIGINT later; without a server, do nothing."""
        if callable(signal.getsignal(signal.SIGTERM)):
            self._handle(signal.SIGTERM)
            if sys.platform != "win32" and signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:  # nohup ignores it
                self._handle(signal.SIGHUP)

    def _handle(self, number: signal.Signals) -> None:
        loop = asyncio.get_running_loop()
        with suppress(RuntimeError, ValueError):  # on Windows, and outside the main thread
            loop.add_signal_handler(number, self._begin_and_stop, loop)

    def _begin_and_stop(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self.is_running:
            loop.call_later(self._seconds, signal.raise_signal, signal.SIGINT)
        self.begin()


def _is_not_cancellation(record: logging.LogRecord) -> bool:
    """asyncio on Python 3.11 logs the cancellation of requests that are still open at the end as errors."""
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))
