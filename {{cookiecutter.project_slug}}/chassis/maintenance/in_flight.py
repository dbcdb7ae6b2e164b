"""The requests and websockets that the gate has let in and that have not ended yet."""

import asyncio
from typing import Any

from chassis.http.asgi import ASGIApplication, Message, Receive, Scope, Send

SERVICE_RESTART = 1012  # https://www.iana.org/assignments/websocket/websocket.xhtml


class InFlight:
    """`count` includes open websockets; once `stopping` is set, no new websocket is accepted."""

    def __init__(self) -> None:
        self.count = 0
        self.stopping = False
        self._sockets: set[_Socket] = set()

    async def serve_socket(self, app: ASGIApplication, scope: Scope, receive: Receive, send: Send) -> None:
        socket = _Socket(receive, send)
        self._sockets.add(socket)
        try:
            await app(scope, socket.receive, socket.send)
        finally:
            self._sockets.discard(socket)

    def close_sockets(self, reason: str) -> None:
        """Ask the clients of all open websockets to reconnect."""
        for socket in self._sockets:
            socket.close(reason)

    def stop_sockets(self) -> None:
        """Close all websockets for good, because another instance is to serve their clients."""
        self.stopping = True
        self.close_sockets("restart")


class _Socket:
    """A websocket that the server may close: its application sees a client that has left."""

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
