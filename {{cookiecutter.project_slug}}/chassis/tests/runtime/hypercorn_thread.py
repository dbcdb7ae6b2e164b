"""Hypercorn in a thread, with an application whose paths answer in different ways, for tests that send bytes to it."""

import asyncio
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from threading import Event, Thread
from typing import Any, Self

import uvloop
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.asyncio.run import worker_serve
from hypercorn.config import Config

from chassis.http.asgi import Receive, Scope, Send

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "uvloop": uvloop.new_event_loop,
    "asyncio": asyncio.new_event_loop,
}
PAUSE = 0.3  # seconds
SECONDS = {"/slow": PAUSE, "/silent": 60.0}  # before the answer
CHUNK = bytes(65536)


class Application:
    """Stops to answer when the client has left, except below /ignore; `paths` has all requests, `left` those."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.left: list[str] = []
        self.must_stop = Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await serve_lifespan(receive, send)
        elif scope["type"] == "websocket":
            await self.echo_once(receive, send)
        elif scope["path"] == "/ignore":
            await asyncio.sleep(PAUSE)
            await self.answer(scope["path"], send)
        else:
            await self.answer_until_disconnect(scope["path"], receive, send)

    async def answer_until_disconnect(self, path: str, receive: Receive, send: Send) -> None:
        answer = asyncio.ensure_future(self.answer(path, send))
        disconnect = asyncio.ensure_future(wait_for_disconnect(receive))
        await asyncio.wait({answer, disconnect}, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            self.left.append(path)
        answer.cancel()
        disconnect.cancel()
        await asyncio.wait({answer, disconnect})

    async def answer(self, path: str, send: Send) -> None:
        self.paths.append(path)
        await asyncio.sleep(SECONDS.get(path, 0.0))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-path", path.encode())]})
        if path == "/events":
            for _ in range(4):
                await asyncio.sleep(PAUSE)
                await send({"type": "http.response.body", "body": b"event", "more_body": True})
        while path == "/endless" and not self.must_stop.is_set():
            await send({"type": "http.response.body", "body": CHUNK, "more_body": True})
        await send({"type": "http.response.body", "body": b"end"})

    async def echo_once(self, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        message = await receive()
        await send({"type": "websocket.send", "text": message.get("text")})
        await asyncio.sleep(PAUSE)


async def serve_lifespan(receive: Receive, send: Send) -> None:
    for kind in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{kind}.complete"})


async def wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class HypercornThread:
    """A running Hypercorn; `connections` is the number of those for which it still has a task."""

    def __init__(self, loop_name: str, config: Config) -> None:
        self.application = Application()
        self.config = config
        self._sockets = config.create_sockets()
        self._is_listening, self._stop = Event(), asyncio.Event()
        self._runner = asyncio.Runner(loop_factory=LOOPS[loop_name])
        self._thread = Thread(target=self._serve)

    @property
    def port(self) -> int:
        return int(self._sockets.insecure_sockets[0].getsockname()[1])

    @property
    def connections(self) -> int:
        tasks = asyncio.all_tasks(self._runner.get_loop())
        return sum("_server_callback" in repr(task.get_coro()) for task in tasks)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def send(self, data: bytes) -> bytes:
        """Return everything that the server sends until it closes the connection."""
        with self.connect() as client:
            client.sendall(data)
            return receive_all(client)

    def __enter__(self) -> Self:
        self._thread.start()
        self._is_listening.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self.application.must_stop.set()
        self._runner.get_loop().call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _serve(self) -> None:
        application: Any = self.application
        serve = worker_serve(
            ASGIWrapper(application), self.config, sockets=self._sockets, shutdown_trigger=self._wait_for_stop
        )
        with self._runner as runner:
            runner.run(serve)

    async def _wait_for_stop(self) -> None:
        """Hypercorn waits here when it has begun to listen."""
        self._is_listening.set()
        await self._stop.wait()


def wait_until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def receive_all(client: socket.socket) -> bytes:
    received = b""
    with suppress(ConnectionError):
        while data := client.recv(65536):
            received += data
    return received


def receive_answer(client: socket.socket) -> bytes:
    received = b""
    while not received.endswith(b"\r\n0\r\n\r\n"):
        received += client.recv(65536)
    return received


def run_hypercorn(loop_name: str, **settings: float) -> HypercornThread:
    config = Config.from_mapping({"bind": ["127.0.0.1:0"], "workers": 0, "graceful_timeout": PAUSE, **settings})
    return HypercornThread(loop_name, config)
