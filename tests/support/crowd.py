"""Many clients at once, each with a connection that it keeps until the service closes it."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from threading import Event, Thread
from typing import Self


@dataclass
class Crowd:
    """Clients whose requests are numbered; the number is the last segment of the path."""

    port: int
    path: str
    answered: set[int] = field(default_factory=set)
    unanswered: set[int] = field(default_factory=set)  # the connection ended before the answer was complete
    wrong: list[bytes] = field(default_factory=list)  # heads of answers whose status is not 200
    _numbers: Iterator[int] = field(default_factory=count)
    _stopped: Event = field(default_factory=Event)

    @classmethod
    @contextmanager
    def ask(cls, port: int, path: str, clients: int) -> Iterator[Self]:
        """Ask until the service stops listening, which it has to do before the end of the block."""
        crowd = cls(port, path)
        thread = Thread(target=asyncio.run, args=[crowd._run_clients(clients)])
        thread.start()
        try:
            yield crowd
        finally:
            crowd._stopped.set()
            thread.join()

    async def _run_clients(self, clients: int) -> None:
        await asyncio.gather(*(self._run_client() for _ in range(clients)))

    async def _run_client(self) -> None:
        with suppress(ConnectionRefusedError):
            while await self._use_connection() and not self._stopped.is_set():
                pass

    async def _use_connection(self) -> bool:
        """Return True if the connection ended without `Connection: close`, so that the client has to reconnect."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            while await self._send_request(reader, writer) and not self._stopped.is_set():
                pass
        except (OSError, asyncio.IncompleteReadError):
            return True
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
        return False

    async def _send_request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Return True if another request may follow on this connection."""
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
