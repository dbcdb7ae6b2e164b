"""Clients that send requests one after the other over connections that stay open; runs in a process of its own.

usage: python -m benchmarks.load JSON   with the members of `Load`; prints the members of `Measured` as JSON
"""

import asyncio
import json
import math
import sys
import time
from dataclasses import asdict, dataclass
from typing import cast

from benchmarks.cpu import cpu_seconds

LAST_ANSWER = 30.0  # seconds


@dataclass(frozen=True)
class Load:
    """The requests of all clients, in turn, and the status that all answers must have."""

    pid: int  # of the server
    port: int
    requests: list[str]
    status: int
    clients: int
    seconds: float


@dataclass(frozen=True)
class Measured:
    """Keeps what was measured after all clients had connected; p50 and p99 are in milliseconds."""

    requests: int
    seconds: float
    cpu_seconds: float
    p50: float
    p99: float


class Client(asyncio.Protocol):
    """One connection; after an answer with `Connection: close` another client takes its place."""

    transport: asyncio.Transport

    def __init__(self, crowd: "Crowd") -> None:
        self._crowd = crowd
        self._received = b""
        self._sent = 0.0
        self._is_waiting = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if separator and len(body) >= int(head.lower().partition(b"content-length: ")[2].split(b"\r")[0]):
            self._received, self._is_waiting = b"", False
            self._crowd.record(head, time.perf_counter() - self._sent)
            if b"\r\nconnection: close" in head.lower():
                self.transport.close()
            else:
                self._send()

    def connection_lost(self, _exc: Exception | None) -> None:
        if self._is_waiting:
            self._crowd.fail("the connection was lost")
        self._crowd.replace()

    def _send(self) -> None:
        if self._crowd.has_ended:
            self.transport.close()
            return
        self._sent, self._is_waiting = time.perf_counter(), True
        self.transport.write(self._crowd.next_request())


class Crowd:
    """All clients of a load, and how long they waited for each answer."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._requests = [request.encode() for request in load.requests]
        self._status = f"HTTP/1.1 {load.status} ".encode()
        self._waited: list[float] = []
        self._open = load.clients
        self._connecting: set[asyncio.Future[None]] = set()
        self._ended = asyncio.get_running_loop().create_future()
        self._started = math.inf  # until all clients have connected

    @property
    def has_ended(self) -> bool:
        return time.perf_counter() - self._started >= self._load.seconds

    def next_request(self) -> bytes:
        return self._requests[len(self._waited) % len(self._requests)]

    def record(self, head: bytes, seconds: float) -> None:
        self._waited.append(seconds)
        if not head.startswith(self._status):
            self.fail(head.decode())

    def fail(self, reason: str) -> None:
        if not self._ended.done():
            self._ended.set_exception(RuntimeError(f"{self._load.requests[0]!r}: {reason}"))

    def replace(self) -> None:
        if not self.has_ended:
            task = asyncio.ensure_future(self.connect())
            self._connecting.add(task)
            task.add_done_callback(self._connecting.discard)
            return
        self._open -= 1
        if not self._open and not self._ended.done():
            self._ended.set_result(None)

    async def connect(self) -> None:
        await asyncio.get_running_loop().create_connection(lambda: Client(self), "127.0.0.1", self._load.port)

    async def run(self) -> Measured:
        for _ in range(self._load.clients):
            await self.connect()
        self._waited.clear()
        self._started, cpu = time.perf_counter(), cpu_seconds(self._load.pid)
        await asyncio.wait_for(self._ended, self._load.seconds + LAST_ANSWER)
        seconds, waited = time.perf_counter() - self._started, sorted(self._waited)
        p50, p99 = (1000 * waited[int(len(waited) * part)] for part in (0.5, 0.99))
        return Measured(len(waited), seconds, cpu_seconds(self._load.pid) - cpu, p50, p99)


async def main(load: Load) -> None:
    print(json.dumps(asdict(await Crowd(load).run())))


if __name__ == "__main__":
    import uvloop  # whoever starts this process need not have it

    uvloop.run(main(Load(**json.loads(sys.argv[1]))))
