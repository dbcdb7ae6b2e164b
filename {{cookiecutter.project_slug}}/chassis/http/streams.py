"""A stream without an end is ended when its instance drains, which would otherwise wait for it in vain."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from quart import has_websocket_context, request, websocket

CLOSING = "chassis.closing"  # the key under which the maintenance gate puts a `Closing` into the scope
Item = TypeVar("Item")


class Closing:
    """Tells streams to end. They are told at once, also while they wait for their next item."""

    def __init__(self) -> None:
        self.is_set = False
        self._waiting: set[asyncio.Timeout] = set()

    def set(self) -> None:
        self.is_set = True
        waiting, self._waiting = self._waiting, set()
        for timeout in waiting:
            timeout.reschedule(asyncio.get_running_loop().time())

    def clear(self) -> None:
        self.is_set = False

    @contextmanager
    def expiring(self, timeout: asyncio.Timeout) -> Iterator[None]:
        """Let a timeout that has been entered expire when `set` is called."""
        self._waiting.add(timeout)
        try:
            yield
        finally:
            self._waiting.discard(timeout)


def until_closing(stream: AsyncIterable[Item]) -> AsyncIterator[Item]:
    """Return an iterator over the stream that also ends when this instance drains; call it in a view.

    An instance drains when a maintenance window becomes active and when it is about to stop. The stream is cancelled
    if it is waiting for its next item, as if the client had left, so its `finally` runs. Items that it has yielded
    are still sent, and the view may yield a farewell after them.

        @blueprint.get("/events")
        async def events() -> Response:
            response = Response(until_closing(stream_events()), content_type="text/event-stream")
            response.timeout = None  # Quart would cut it off after 60 seconds
            return response

    A view that is exempt from the maintenance window goes on.
    """
    scope: Any = websocket.scope if has_websocket_context() else request.scope
    return _iterate(aiter(stream), scope.get(CLOSING) or Closing())


async def _iterate(items: AsyncIterator[Item], closing: Closing) -> AsyncIterator[Item]:
    try:
        while not closing.is_set:
            timeout = asyncio.timeout(None)
            try:
                async with timeout:
                    with closing.expiring(timeout):
                        item = await anext(items)
            except StopAsyncIteration:
                return
            except TimeoutError:
                if timeout.expired():
                    return
                raise
            yield item
    finally:
        if hasattr(items, "aclose"):
            await items.aclose()
