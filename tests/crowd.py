"""Many clients at once, each on a connection of its own that it keeps as long as the service lets it."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from threading import Event, Thread
from typing import Self


@dataclass
class Crowd:
    """Each request has a number of its own, which is the end of its path."""

    port: int
    path: str
    answered: set[int] = field(default_factory=set)
    unanswered: set[int] = field(default_factory=set)  # the connection ended before the answer did
    wrong: list[bytes] = field(default_factory=list)  # answers that are no 200
    _numbers: Iterator[int] = field(default_factory=count)
    _enough: Event = field(default_factory=Event)

    @classmethod
    @contextmanager
    def asking(cls, port: int, path: str, clients: int) -> Iterator[Self]:
        """They ask until nobody listens any more: the service has to end inside, unless the test fails."""
        crowd = cls(port, path)
        thread = Thread(target=asyncio.run, args=[crowd._ask(clients)])
        thread.start()
        try:
            yield crowd
        finally:
            crowd._enough.set()
            thread.join()

    async def _ask(self, clients: int) -> None:
        await asyncio.gather(*(self._client() for _ in range(clients)))

    async def _client(self) -> None:
        with suppress(ConnectionRefusedError):
            while await self._use_connection() and not self._enough.is_set():
                pass

    async def _use_connection(self) -> bool:
        """Whether it came to an end that was not announced, so that the client connects once more."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            while await self._request(reader, writer) and not self._enough.is_set():
                pass
        except (OSError, asyncio.IncompleteReadError):
            return True
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
        return False

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Whether another one may follow on this connection."""
        number = next(self._numbers)
        self.unanswered.add(number)
        writer.write(f"GET {self.path}/{number} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].split()[0]))
        self.unanswered.remove(number)
        self.answered.add(number)
        if not head.startswith(b"HTTP/1.1 200 "):
            self.wrong.append(head)
        return b"connection: close" not in head.lower()
