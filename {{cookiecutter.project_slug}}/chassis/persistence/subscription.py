"""A subscriber that reads slowly loses messages and learns of it; nobody else has to wait."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Self

import structlog

from chassis.domain.messages import MISSED, Message

MAX_UNREAD = 1000  # messages that wait for one subscriber

log = structlog.get_logger(__name__)


class Subscription(AsyncIterator[Message]):
    """The unread messages of one subscriber. If there are too many, `MISSED` takes the place of all of them."""

    def __init__(self, channel: str) -> None:
        self._channel = channel
        self._unread: deque[Message] = deque()
        self._arrival = asyncio.Event()

    def put(self, message: Message) -> None:
        if len(self._unread) >= MAX_UNREAD:
            log.warning("messages dropped: the subscriber is too slow", channel=self._channel, count=MAX_UNREAD)
            self._unread.clear()
            self._unread.append(MISSED)
        self._unread.append(message)
        self._arrival.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Message:
        while not self._unread:
            self._arrival.clear()
            await self._arrival.wait()
        return self._unread.popleft()
