"""Mends what Hypercorn 0.18 does to a connection where no setting of it helps.

chassis/tests/runtime/test_hypercorn.py shows each fault of Hypercorn itself, and fails with a newer version.
"""

import asyncio
import logging
from contextlib import suppress
from importlib.metadata import version
from typing import ClassVar

import hypercorn.asyncio.run
import hypercorn.protocol
from hypercorn.asyncio.tcp_server import MAX_RECV, TCPServer
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData, Updated

from chassis.runtime.connection_limit import ConnectionLimit, DescriptorFilter, find_maximum
from chassis.runtime.hypercorn_protocol import HTTP1Protocol
from chassis.runtime.stalled_client import StallGuard

log = logging.getLogger(__name__)

VERSIONS = "0.18."
REQUEST_SECONDS = 5.0  # for the headers of a request, from the connection or from the first byte of a later request
HALF_CLOSED_SECONDS = 10.0  # for the answer or its next part, after the client has closed its sending side

BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\nRetry-After: 1\r\n\r\n"


def harden() -> None:
    """Let Hypercorn use the classes of this module, unless they were written for another version."""
    if not version("hypercorn").startswith(VERSIONS):
        log.warning("Hypercorn is not hardened, because its version is not %s*", VERSIONS)
        return
    Config.alpn_protocols = ["http/1.1"]  # a default: `alpn_protocols` in hypercorn.toml overrides it
    Connection.limit = ConnectionLimit(find_maximum())
    hypercorn.protocol.H11Protocol = HTTP1Protocol  # type: ignore[attr-defined]
    hypercorn.asyncio.run.TCPServer = Connection  # type: ignore[attr-defined]
    logging.getLogger("asyncio").addFilter(DescriptorFilter())


class Connection(TCPServer):
    """Ends as soon as its client has left, and gives a slow client a limited time."""

    limit: ClassVar[ConnectionLimit]
    _idle_seconds: float | None = None  # for which the connection may stay idle; None while a request is in flight
    _idle_until: float | None = None  # the same, as a time of the event loop
    _idle_limit: asyncio.Timeout | None = None
    _has_written = False
    _has_ended = False

    async def run(self) -> None:
        self._guard = StallGuard(self.writer.transport)
        self._limit_idle_time(min(REQUEST_SECONDS, self.config.keep_alive_timeout))
        if not self.limit.admit(self):
            self.writer.write(BUSY)
            await self._close()
            return
        try:
            await super().run()
        finally:
            self.limit.release(self)
            self._guard.stop()

    def close_idle(self) -> None:
        self.writer.close()
        self._guard.watch()

    async def protocol_send(self, event: Event) -> None:
        """Yield to other tasks when the client has left, or an endless stream blocks them before it is cancelled."""
        if isinstance(event, RawData):
            if self.writer.is_closing():
                await self.protocol.handle(Closed())
                await asyncio.sleep(0)
                return
            self._has_written = True
            self._guard.watch(len(event.data))
        elif isinstance(event, Updated):
            self.limit.mark(self, idle=event.idle)
            if not self._has_ended:
                self._limit_idle_time(self.config.keep_alive_timeout if event.idle else None)
                return
            event = Closed()
        await super().protocol_send(event)

    def _limit_idle_time(self, seconds: float | None) -> None:
        self._idle_seconds = seconds
        self._idle_until = None if seconds is None else self.loop.time() + seconds
        if self._idle_limit is not None and not self._idle_limit.expired():
            self._idle_limit.reschedule(self._idle_until)

    async def _read_data(self) -> None:
        """Free the descriptor when the client has left; Hypercorn keeps it until `keep_alive_timeout`."""
        with suppress(OSError):  # TimeoutError is one
            while data := await asyncio.wait_for(self.reader.read(MAX_RECV), self.config.read_timeout):
                await self.protocol.handle(RawData(data))
                self._limit_headers()
            await self.protocol.handle(RawData(b""))
            await self._finish_answer()
        self._has_ended = True
        await self.protocol.handle(Closed())
        await self.idle_task.stop()

    def _limit_headers(self) -> None:
        """Give the headers of a later request `REQUEST_SECONDS`, too, when the first byte has arrived."""
        is_patient = self._idle_seconds is not None and self._idle_seconds > REQUEST_SECONDS
        if is_patient and self._http1 and self._http1.has_partial_request:
            self._limit_idle_time(REQUEST_SECONDS)

    async def _finish_answer(self) -> None:
        """Answer a client that has closed its sending side only.

        A client that has left looks the same until something is sent to it, so the time without sending is limited.
        """
        self._has_written = True
        while self._has_written and self._http1 and self._http1.is_answering and not self.writer.is_closing():
            self._has_written = False
            with suppress(TimeoutError):
                async with asyncio.timeout(HALF_CLOSED_SECONDS):
                    await self._http1.answered.wait()

    @property
    def _http1(self) -> HTTP1Protocol | None:
        protocol = self.protocol.protocol
        return protocol if isinstance(protocol, HTTP1Protocol) else None

    async def _idle_timeout(self) -> None:
        """Run as long as the connection; Hypercorn would start a task after each request and cancel it at the next."""
        terminated = self.context.terminated
        while not terminated.is_set() and not self._has_idled_out:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(self._idle_until) as self._idle_limit:
                    await terminated.wait()
        if self._idle_until is not None:
            await asyncio.shield(self._initiate_server_close())

    @property
    def _has_idled_out(self) -> bool:
        return self._idle_until is not None and self.loop.time() >= self._idle_until

    async def _initiate_server_close(self) -> None:
        await super()._initiate_server_close()
        self._guard.watch()

    async def _close(self) -> None:
        self._guard.watch()
        await super()._close()
