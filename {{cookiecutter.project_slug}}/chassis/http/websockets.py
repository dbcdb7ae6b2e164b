"""Websockets whose client cannot fill the memory, and learns from the code of the close that the view has failed.

Quart queues messages without end until the view receives them, and closes with 1000 after an error.
"""

import asyncio
import sys
from functools import partial
from http import HTTPStatus
from typing import Any, cast

from quart import Quart, Websocket
from quart.asgi import ASGIWebsocketConnection
from werkzeug.datastructures import Headers

from chassis.http.asgi import Message, Receive, Scope

# https://www.iana.org/assignments/websocket/websocket.xhtml
POLICY_VIOLATION = 1008
MESSAGE_TOO_BIG = 1009
INTERNAL_ERROR = 1011
TRY_AGAIN_LATER = 1013

UNREAD_SECONDS = 60.0  # how long a client may wait for the view to receive something
MESSAGE_OVERHEAD = 64  # bytes that the queue needs for a message, however short it is

Data = str | bytes | None


class UnreadMessagesError(Exception):
    """The view has not received anything for `UNREAD_SECONDS`, while the queue was full."""


class MessageQueue(asyncio.Queue[Data]):
    """The messages that wait for the view. It is full when they take up `limit` bytes; then the client waits, too."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit
        self._bytes = 0

    def full(self) -> bool:
        return self._bytes >= self.limit

    async def put(self, item: Data) -> None:
        if not self.full():
            self.put_nowait(item)
            return
        try:
            async with asyncio.timeout(UNREAD_SECONDS):
                await super().put(item)
        except TimeoutError as error:
            raise UnreadMessagesError from error

    # asyncio calls the following two, which are made to be overridden, to store and to take an item.

    def _put(self, item: Data) -> None:
        self._bytes += MESSAGE_OVERHEAD + _size(item)
        super()._put(item)

    def _get(self) -> Data:
        item = super()._get()
        self._bytes -= MESSAGE_OVERHEAD + _size(item)
        return item


class TrackedWebsocket(Websocket):
    """Knows whether it has been accepted, and whether it has been closed from this side."""

    is_accepted = False
    is_closed = False
    messages: MessageQueue | None = None

    def apply_limits(self, view: object) -> None:
        """Take the limit of the view for the size of a message, unless it has the limit of every view."""
        if self.messages is not None:
            self.messages.limit = getattr(view, "max_content_length", self.messages.limit)

    async def accept(self, headers: dict[str, Any] | Headers | None = None, subprotocol: str | None = None) -> None:
        self.is_accepted = True
        await super().accept(headers, subprotocol)

    async def close(self, code: int, reason: str = "") -> None:
        self.is_closed = True
        await super().close(code, reason)

    async def close_for_status(self, status: int) -> None:
        """Close after an error that a request would have been answered with."""
        if not self.is_accepted or self.is_closed or status < HTTPStatus.BAD_REQUEST:
            return
        if status == HTTPStatus.SERVICE_UNAVAILABLE:
            await self.close(TRY_AGAIN_LATER)
            return
        await self.close(INTERNAL_ERROR if status >= HTTPStatus.INTERNAL_SERVER_ERROR else POLICY_VIOLATION)


class BoundedWebsocketConnection(ASGIWebsocketConnection):
    """Closes with 1009 if a message is over the limit of the view, and with 1008 if nobody receives the messages."""

    websocket: TrackedWebsocket
    queue: MessageQueue

    def __init__(self, app: Quart, scope: Scope) -> None:
        super().__init__(app, scope)  # type: ignore[arg-type]
        self.queue = MessageQueue(app.config["MAX_CONTENT_LENGTH"])
        self._has_refused = False

    async def __call__(self, receive: Any, send: Any) -> None:  # noqa: ANN401 - Quart's signature
        await super().__call__(receive, send)
        if self._has_refused or self.queue.full():  # the client may go on sending, and Hypercorn waits for a reader
            await discard_messages(receive)

    async def handle_websocket(self, websocket: Websocket, send: Any) -> None:  # noqa: ANN401 - Quart's signature
        self.websocket = cast("TrackedWebsocket", websocket)
        self.websocket.messages = self.queue
        if sys.version_info >= (3, 13):
            self.websocket.buffer._queue = cast("asyncio.Queue[bytes | str]", self.queue)  # noqa: SLF001
        await super().handle_websocket(websocket, send)

    if sys.version_info >= (3, 13):  # Quart 0.23

        async def handle_messages(self, websocket: Websocket, receive: Any, view: asyncio.Task[None]) -> None:  # noqa: ANN401 - Quart's signature
            end_with(view)
            bounded: Any = partial(self._receive_bounded, receive)
            try:
                await super().handle_messages(websocket, bounded, view)
            except UnreadMessagesError:
                await self._refuse_unread()
                view.cancel()

    else:  # Quart 0.22 ends this and the view together

        async def handle_messages(self, receive: Any) -> None:  # noqa: ANN401 - Quart's signature
            try:
                await super().handle_messages(partial(self._receive_bounded, receive))  # type: ignore[arg-type]
            except UnreadMessagesError:
                await self._refuse_unread()

    async def _refuse_unread(self) -> None:
        await self._refuse(POLICY_VIOLATION, "The service does not receive messages.")

    async def _receive_bounded(self, receive: Receive) -> Message:
        message = await receive()
        if (
            message["type"] == "websocket.receive"
            and _size(message.get("bytes") or message.get("text")) > self.queue.limit
        ):
            await self._refuse(MESSAGE_TOO_BIG, f"A message may have {self.queue.limit} bytes.")
            return {"type": "websocket.disconnect", "code": MESSAGE_TOO_BIG}
        return message

    async def _refuse(self, code: int, reason: str) -> None:
        """Close, unless the view has done so; Quart cancels the view when there are no more messages."""
        self._has_refused = True
        if not self.websocket.is_closed:
            await self.websocket.close(code, reason)


def end_with(other: asyncio.Task[None]) -> None:
    """Cancel the current task when the other one has ended."""
    task = asyncio.current_task()
    if task:
        other.add_done_callback(lambda _: task.cancel())


async def discard_messages(receive: Receive) -> None:
    while (await receive())["type"] != "websocket.disconnect":
        pass


def _size(data: Data) -> int:
    if isinstance(data, str) and not data.isascii():
        return len(data.encode())
    return len(data or "")
