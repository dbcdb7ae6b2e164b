"""A proxy that breaks the network between a service and its database."""

import asyncio
import ctypes
import socket
import struct
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Thread
from typing import Any, Self, TypeVar
from urllib.parse import parse_qs, urlsplit

from support.ports import free_port

SO_ATTACH_FILTER, SO_DETACH_FILTER = 26, 27  # Linux, asm-generic/socket.h
DROP_ALL = struct.pack("HBBI", 6, 0, 0, 0)  # one instruction of a packet filter: keep no byte
NOTIFICATION = b"A"  # https://www.postgresql.org/docs/current/protocol-message-formats.html
Result = TypeVar("Result")


@dataclass
class _Link:
    """A connection of a client; nothing passes while it is silent."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    silent: bool


class Proxy:
    """A TCP port in front of PostgreSQL whose methods make the network fail.

    Each method returns when the new behaviour is in effect.
    """

    def __init__(self, uri: str) -> None:
        """`uri` is the address of the server; `self.uri` is that of the proxy."""
        parts = urlsplit(uri)
        self._server = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self._port = free_port()
        self.uri = f"{parts.scheme}://postgres@127.0.0.1:{self._port}{parts.path}?ssl=disable"
        self._loses_notifications = False
        self._swallows_new = False
        self._trap: tuple[bytes, bool] | None = None
        self._links: dict[asyncio.Task[None], _Link] = {}
        self._listener: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()

    @classmethod
    @contextmanager
    def run(cls, uri: str) -> Iterator[Self]:
        proxy = cls(uri)
        thread = Thread(target=proxy._loop.run_forever)
        thread.start()
        proxy.accept()
        try:
            yield proxy
        finally:
            proxy.refuse()
            proxy._loop.call_soon_threadsafe(proxy._loop.stop)
            thread.join()
            proxy._loop.close()

    def accept(self) -> None:
        """Let new connections pass again; connections that were silenced stay silent."""
        self._loses_notifications = self._swallows_new = False
        self._run(self._listen())
        self._run(self._filter(dropping=False))

    def lose_notifications(self) -> None:
        self._loses_notifications = True

    def silence(self) -> None:
        """Pass nothing on open connections without closing them, like a router that forgot them."""
        self._run(self._silence())

    def black_hole(self) -> None:
        """Silence open connections; accept new ones, but pass nothing on them."""
        self._swallows_new = True
        self.silence()

    def drop(self) -> None:
        """Lose all packets, like a firewall, so that not even TCP gets an answer."""
        self._run(self._filter(dropping=True))

    def cut_at(self, word: bytes) -> None:
        """Close the next connection on which a client sends this word, without passing the word on."""
        self._trap = (word, False)

    def silence_at(self, word: bytes) -> None:
        """Pass the word on, but then neither its answer nor anything else on this connection."""
        self._trap = (word, True)

    def cut(self) -> None:
        """Close open connections; new ones pass."""
        self._run(self._close_all())

    def refuse(self) -> None:
        """Stop listening, so that new connections are refused, and close open ones."""
        self._run(self._stop_listening())
        self.cut()

    @property
    def links(self) -> set[object]:
        """One object for each connection that is open from the point of view of the client."""
        return self._run(self._open_links())

    def has_closed(self, links: set[object]) -> bool:
        return links.isdisjoint(self.links)

    async def _open_links(self) -> set[object]:
        return set(self._links)

    async def _silence(self) -> None:
        for link in self._links.values():
            link.silent = True

    async def _filter(self, *, dropping: bool) -> None:
        listening = self._listener.sockets if self._listener else ()
        connected = [link.writer.get_extra_info("socket") for link in self._links.values()]
        program = ctypes.create_string_buffer(DROP_ALL)
        drop_all = struct.pack("HP", 1, ctypes.addressof(program))
        for each in (*listening, *connected):
            if dropping:
                each.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, drop_all)
            else:
                with suppress(OSError):  # it has no filter, or has been closed meanwhile
                    each.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)

    def _run(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    async def _listen(self) -> None:
        if self._listener is None:
            self._listener = await asyncio.start_server(self._handle_connection, "127.0.0.1", self._port)

    async def _stop_listening(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    async def _close_all(self) -> None:
        links = dict(self._links)
        for task in links:
            task.cancel()
        await asyncio.gather(*links, return_exceptions=True)
        for link in links.values():
            link.writer.close()  # of a task that was cancelled before it began
        await asyncio.sleep(0)  # in which the transports end

    def _handle_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = _Link(reader, writer, self._swallows_new)
        keep_alive(writer.get_extra_info("socket"))
        task = self._loop.create_task(self._serve(link))
        self._links[task] = link
        task.add_done_callback(self._links.pop)

    async def _serve(self, link: _Link) -> None:
        try:
            if link.silent:
                await link.reader.read()  # until the client closes
            else:
                await self._forward(link)
        except OSError:
            pass  # the server does not listen, or one side has closed the connection
        finally:
            link.writer.close()

    async def _forward(self, link: _Link) -> None:
        reader, writer = await self._connect()
        directions = [
            asyncio.create_task(self._pass_requests(link, writer)),
            asyncio.create_task(self._pass_answers(link, reader)),
        ]
        try:
            await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for direction in directions:
                direction.cancel()
            await asyncio.gather(*directions, return_exceptions=True)
            writer.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, port = self._server["host"], self._server["port"]
        if host.startswith("/"):
            return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        return await asyncio.open_connection(host, int(port))

    async def _pass_requests(self, link: _Link, writer: asyncio.StreamWriter) -> None:
        while data := await link.reader.read(65536):
            passes = not link.silent
            if self._trap and self._trap[0] in data:
                (_, link.silent), self._trap = self._trap, None
                if not link.silent:
                    return
            if passes:
                writer.write(data)

    async def _pass_answers(self, link: _Link, reader: asyncio.StreamReader) -> None:
        """Pass whole messages: one byte of type, four bytes of length, and the body."""
        with suppress(asyncio.IncompleteReadError):
            while True:
                head = await reader.readexactly(5)
                body = await reader.readexactly(int.from_bytes(head[1:]) - 4)
                is_lost = self._loses_notifications and head[:1] == NOTIFICATION
                if not link.silent and not is_lost:
                    link.writer.write(head + body)
        if link.silent:
            await asyncio.Event().wait()  # the client does not notice that the server has closed


def keep_alive(connection: socket.socket) -> None:
    """Detect within two seconds, instead of minutes, that the other end has given up the connection."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option in ("TCP_KEEPIDLE", "TCP_KEEPINTVL"):
        connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), 1)
