"""A client may leave before its request has been answered: then nobody wants the answer any more."""

import asyncio
from types import TracebackType
from typing import ClassVar
from weakref import WeakKeyDictionary

from chassis.http.asgi import Receive
from chassis.http.bodies import BoundedBody
from chassis.http.shared_response import SharedResponse

PATIENCE_SECONDS = 0.05  # after which it matters that the client may have left


class Client:
    """Receives what the client sends while the block runs, and cancels the block if it leaves before its answer.

    The cancellation ends with the block, as if the block had ended by itself.
    """

    def __init__(self, body: BoundedBody, receive: Receive, response: SharedResponse) -> None:
        self._body = body
        self._receive = receive
        self._response = response
        self._handler = asyncio.current_task()
        self._listener: asyncio.Task[None] | None = None
        self._has_cancelled = False
        self._error: Exception | None = None
        self._stragglers = Stragglers.of_running_loop()

    def listen(self) -> None:
        self._listener = asyncio.get_running_loop().create_task(self._listen())

    async def __aenter__(self) -> None:
        if self._listener is None:
            self._stragglers.add(self)

    async def __aexit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> bool:
        self._stragglers.discard(self)
        if self._listener is not None:
            self._listener.cancel()
            await asyncio.wait([self._listener])
        if not self._has_cancelled or self._handler is None:
            return False
        is_cancelled_by_others = self._handler.uncancel() > 0
        if self._error is not None:
            raise self._error
        return kind is asyncio.CancelledError and not is_cancelled_by_others

    async def _listen(self) -> None:
        try:
            while (message := await self._receive())["type"] != "http.disconnect":
                await self._body.add(message.get("body", b""), is_last=not message.get("more_body", False))
        except Exception as error:  # noqa: BLE001 - raised where the request is handled
            self._error = error
        if self._handler is not None and not self._response.has_ended:
            self._has_cancelled = True
            self._handler.cancel()


class Stragglers:
    """Listens to clients whose requests last longer than `PATIENCE_SECONDS`, and not more than twice as long.

    All requests of an event loop share one timer: a timer for each would cost more than the task that it saves.
    """

    _of_loop: ClassVar[WeakKeyDictionary[asyncio.AbstractEventLoop, "Stragglers"]] = WeakKeyDictionary()

    def __init__(self) -> None:
        self._young: dict[Client, None] = {}
        self._old: dict[Client, None] = {}
        self._has_timer = False

    @classmethod
    def of_running_loop(cls) -> "Stragglers":
        loop = asyncio.get_running_loop()
        stragglers = cls._of_loop.get(loop)
        if stragglers is None:
            stragglers = cls._of_loop[loop] = cls()
        return stragglers

    def add(self, client: Client) -> None:
        self._young[client] = None
        if not self._has_timer:
            self._start_timer()

    def discard(self, client: Client) -> None:
        self._young.pop(client, None)
        self._old.pop(client, None)

    def _start_timer(self) -> None:
        self._has_timer = True
        asyncio.get_running_loop().call_later(PATIENCE_SECONDS, self._grow_older)

    def _grow_older(self) -> None:
        for client in self._old:
            client.listen()
        self._old, self._young = self._young, {}
        self._has_timer = False
        if self._old:
            self._start_timer()
