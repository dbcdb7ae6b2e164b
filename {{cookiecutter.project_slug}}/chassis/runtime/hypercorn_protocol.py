"""HTTP as Hypercorn 0.18 speaks it on a connection, without the ways in which a client can misuse it."""

import asyncio
from typing import Any

import h11
from hypercorn.asyncio.worker_context import EventWrapper
from hypercorn.events import Closed, Event, RawData
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.protocol.http_stream import HTTPStream
from hypercorn.protocol.ws_stream import Handshake
from wsproto.extensions import PerMessageDeflate
from wsproto.frame_protocol import CloseReason
from wsproto.handshake import server_extensions_handshake

from chassis.runtime.connection_limit import RareWarning

http2_warning = RareWarning("a client that speaks HTTP/2 is refused, because that is the job of the proxy")


class ReadPermission(EventWrapper):
    """Raises an error in whoever waits to read the next request of a client that has left."""

    is_withdrawn = False

    async def wait(self) -> None:
        if not self.is_withdrawn:
            await super().wait()
        if self.is_withdrawn:
            raise ConnectionAbortedError


class HTTP1Protocol(H11Protocol):
    """Never switches to HTTP/2, and refuses requests for which Hypercorn logs a traceback."""

    answered: asyncio.Event

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.can_read: ReadPermission = ReadPermission()
        self._unsent_head = b""

    @property
    def is_answering(self) -> bool:
        return isinstance(self.stream, HTTPStream)

    @property
    def has_partial_request(self) -> bool:
        return bool(self.connection.trailing_data[0])

    async def handle(self, event: Event) -> None:
        if isinstance(event, Closed):
            self.can_read.is_withdrawn = True
            await self.can_read.set()
        await super().handle(event)
        if (
            self.stream is not None and self.stream.closed
        ):  # Hypercorn has refused it, and waits for the client to leave
            await self.send(Closed())

    async def _check_protocol(self, event: h11.Request) -> None:
        """Ignore `Upgrade: h2c`: a proxy that forwards it would become a tunnel past its own rules."""

    async def _create_stream(self, request: h11.Request) -> None:
        """Skip the requests that a client sent in advance before it left."""
        self.answered = asyncio.Event()
        if self.can_read.is_withdrawn:
            return
        refusal = find_refusal(request)
        if refusal is None:
            await super()._create_stream(request)
            return
        await self._send_error_response(refusal)
        await self.send(Closed())

    async def _send_h11_event(self, event: Any) -> None:  # noqa: ANN401 - one of h11
        """Write the head of a response together with the body, because each write is a system call.

        If no body follows in the same iteration of the event loop, the head is sent alone.
        """
        try:
            data = self.connection.send(event)
        except h11.LocalProtocolError:
            if self.connection.their_state != h11.ERROR:
                raise
            return
        if isinstance(event, h11.Response):
            self._unsent_head = data or b""
            asyncio.get_running_loop().call_soon(self._send_head_alone)
        else:
            await self._send_with_head(data)

    def _send_head_alone(self) -> None:
        if self._unsent_head:
            self.task_group.spawn(self._send_with_head, b"")

    async def _send_with_head(self, data: bytes | None) -> None:
        data, self._unsent_head = self._unsent_head + (data or b""), b""
        if data:
            await self.send(RawData(data=data))

    async def _close_stream(self) -> None:
        """Let the application know, and let nothing wait for one that has ended and receives no messages any more."""
        stream = self.stream
        if stream is None:
            return
        was_refused = stream.closed
        queue = getattr(getattr(stream, "app_put", None), "__self__", None)
        if isinstance(queue, asyncio.Queue) and queue.full():
            while not queue.empty():
                queue.get_nowait()
        await super()._close_stream()
        if was_refused and isinstance(queue, asyncio.Queue):
            queue.put_nowait({"type": "websocket.disconnect", "code": CloseReason.ABNORMAL_CLOSURE})
        stream.app_put = discard
        self.answered.set()


async def discard(_: object) -> None:
    """Take the place of the queue of messages."""


def find_refusal(request: h11.Request) -> int | None:
    """Return the status with which the server refuses the request, or None if it is for the application."""
    if not request.http_version.startswith(b"1."):
        http2_warning.log()
        return 505
    if request.method != request.method.upper():  # methods are case-sensitive, but Hypercorn changes their case
        return 400
    if any(name == b"upgrade" for name, _ in request.headers) and not is_valid_handshake(request):
        return 400
    return None


def is_valid_handshake(request: h11.Request) -> bool:
    """Parse the headers of a websocket as Hypercorn and wsproto do later, where the error would be logged."""
    try:
        handshake = Handshake(list(request.headers), "1.1")
        server_extensions_handshake(handshake.extensions or [], [PerMessageDeflate()])
    except ValueError:
        return False
    return True
