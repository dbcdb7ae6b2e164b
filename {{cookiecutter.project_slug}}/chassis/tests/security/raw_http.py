"""Requests byte by byte, which no client library would send, to an application that Hypercorn serves on loopback."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from hypercorn.asyncio import serve
from hypercorn.config import Config

from chassis.app import ChassisApp

SECONDS = 20.0  # more patience than any answer needs


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]  # with names in lower case
    body: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401 - whatever the body holds
        return json.loads(self.body)

    @property
    def problem(self) -> dict[str, Any]:
        assert self.headers["content-type"] == "application/problem+json"
        problem: dict[str, Any] = json.loads(self.body)
        assert problem["status"] == self.status
        return problem


@dataclass(frozen=True)
class Server:
    port: int

    async def ask(
        self,
        line: str,
        headers: Iterable[bytes] = (),
        body: Sequence[bytes] = (),
        *,
        host: bytes | None = b"localhost",
    ) -> Answer:
        """Send one request and read its answer; the server closes the connection."""
        hosts = [] if host is None else [b"Host: " + host]
        lines = [f"{line} HTTP/1.1".encode(), *hosts, b"Connection: close", *headers]
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(b"\r\n".join(lines) + b"\r\n\r\n")
            for part in body:
                writer.write(part)
                await writer.drain()
            return _parse(await asyncio.wait_for(reader.read(), SECONDS))
        finally:
            writer.close()


def chunks(data: bytes, size: int = 65536) -> list[bytes]:
    """Return a body for `Transfer-Encoding: chunked`."""
    parts = [data[start : start + size] for start in range(0, len(data), size)]
    return [*(f"{len(part):x}\r\n".encode() + part + b"\r\n" for part in parts), b"0\r\n\r\n"]


def _parse(data: bytes) -> Answer:
    head, _, body = data.partition(b"\r\n\r\n")
    if head.startswith(b"HTTP/1.1 100"):
        return _parse(body)
    line, *headers = head.decode("latin-1").split("\r\n")
    pairs = (header.partition(":") for header in headers)
    return Answer(int(line.split()[1]), {name.lower(): value.strip() for name, _, value in pairs}, body)


@asynccontextmanager
async def serving_on_loopback(app: ChassisApp) -> AsyncIterator[Server]:
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]  # Hypercorn closes it
    config.errorlog = None
    config.include_server_header = False  # as in hypercorn.toml
    stop = asyncio.Event()
    server = asyncio.create_task(serve(app, config, shutdown_trigger=stop.wait))
    try:
        yield Server(port)
    finally:
        stop.set()
        await server
