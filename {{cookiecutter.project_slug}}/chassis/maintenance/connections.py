"""Connections in flight, one by one: requests whose client may stall, and websockets that the service may close."""

import asyncio
import time
from typing import Any

from chassis.http.asgi import Message, Receive, Scope, Send

SERVICE_RESTART = 1012  # https://www.iana.org/assignments/websocket/websocket.xhtml


class Work:
    """Something that a drain waits for."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._started = time.monotonic()

    @property
    def name(self) -> str:
        return self._name

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started


class TrackedRequest(Work):
    """A request or a websocket. Its application sends through it, so that it knows when the client takes nothing."""

    _sent = 0
    _observed = -1
    _observed_at = 0.0
    has_been_cut = False

    def __init__(self, scope: Scope, send: Send) -> None:  # every request pays for it, so there are few attributes
        self._started = time.monotonic()
        self._scope = scope
        self._send = send
        self._senders: set[asyncio.Task[Any] | None] = set()  # tasks that wait until the client takes something

    @property
    def name(self) -> str:
        return f"{self._scope.get('method', 'WEBSOCKET')} {self._scope['path']}"

    async def send(self, message: Message) -> None:
        task = asyncio.current_task()
        self._senders.add(task)
        try:
            await self._send(message)
        finally:
            self._senders.discard(task)
            self._sent += 1

    def cut_if_stalled(self, now: float, seconds: float) -> bool:
        """Cancel the tasks that have not been able to send anything since a call at least `seconds` ago.

        The application ends as if the client had left, and the server closes the connection, because the response
        is not complete. Returns True the first time.
        """
        if not self._senders or self._sent != self._observed:
            self._observed, self._observed_at = self._sent, now
        if not self._senders or now - self._observed_at < seconds:
            return False
        for task in self._senders:
            if task is not None:
                task.cancel()
        was_cut, self.has_been_cut = self.has_been_cut, True
        return not was_cut


class Socket:
    """A websocket that the service may close: its application sees a client that has left."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._close_reason: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._is_closed = False

    def close(self, reason: str) -> None:
        if not self._close_reason.done():
            self._close_reason.set_result(reason)

    async def receive(self) -> Message:
        message = asyncio.ensure_future(self._receive())
        try:
            await asyncio.wait([message, self._close_reason], return_when=asyncio.FIRST_COMPLETED)
            if not self._close_reason.done():
                return message.result()
        finally:
            message.cancel()
        await self.send({"type": "websocket.close", "code": SERVICE_RESTART, "reason": self._close_reason.result()})
        self._is_closed = True
        return {"type": "websocket.disconnect", "code": SERVICE_RESTART}

    async def send(self, message: Message) -> None:
        if not self._is_closed:
            await self._send(message)
