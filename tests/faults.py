"""Breaks what is between a service and its database, for real: a server that goes away, a network that goes quiet.

Imported by a test module before pytest knows it, as `service` is: it asserts nothing.
"""

import asyncio
import os
import signal
import subprocess
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from service import Commands, free_port

# The codes of messages: https://www.postgresql.org/docs/current/protocol-message-formats.html
NOTIFICATION = b"A"

# Runs in the folder of a project; its server ends with it.
SERVER = """
import sys
from pathlib import Path
from scripts.postgres import PostgresServer

server = PostgresServer(Path(sys.argv[1]), durable=False)
try:
    for line in sys.stdin:
        getattr(server, line.strip())()
        print(server.uri if server.running else "stopped", flush=True)
finally:
    server.stop()
"""


class Server:
    """A PostgreSQL that may be stopped, started and killed."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self._process = process
        self._folder = folder
        self.uri = self.start()

    @classmethod
    @contextmanager
    def running(cls, commands: Commands, project: Path, folder: Path) -> Iterator[Self]:
        with subprocess.Popen(
            ["python", "-c", SERVER, str(folder)],
            cwd=project,
            env=commands.environment({}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            yield cls(process, folder)

    def start(self) -> str:
        return self._do("start")

    def stop(self) -> None:
        """Ends open connections with a word, as an administrator does."""
        self._do("stop")

    def kill(self) -> None:
        """Ends everything without a word, as an out-of-memory killer does."""
        number = int((self._folder / "data" / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{number}/task/{number}/children").read_text().split()
        for each in (number, *map(int, children)):
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)

    def _do(self, what: str) -> str:
        if self._process.stdin is None or self._process.stdout is None:
            raise TypeError("The process needs pipes")
        self._process.stdin.write(f"{what}\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().strip()


class Database:
    """Asks a database as an administrator would, around the service."""

    def __init__(self, commands: Commands, uri: str) -> None:
        self._psql = next(
            commands.folder.parent.glob("lib/*/site-packages/*/pginstall[1-9]?/bin/psql")
        )
        self._arguments = ["-qAtX", "-v", "ON_ERROR_STOP=1", "-d", uri.replace("+asyncpg", "")]

    def query(self, sql: str) -> str:
        """Rows as lines, columns with `|` in between."""
        result = subprocess.run(
            [self._psql, *self._arguments, "-c", sql], capture_output=True, text=True, check=False
        )
        if result.returncode:
            raise RuntimeError(result.stderr)
        return result.stdout.strip()

    @contextmanager
    def transaction(self, sql: str) -> Iterator[None]:
        """Holds what `sql` locks."""
        with subprocess.Popen(
            [self._psql, *self._arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as session:
            if session.stdin is None or session.stdout is None:
                raise TypeError("The process needs pipes")
            session.stdin.write(f"BEGIN;\n{sql};\n\\echo holds\n")
            session.stdin.flush()
            session.stdout.readline()
            yield
            session.communicate("COMMIT;\n")


class Proxy:
    """A TCP port in front of PostgreSQL that behaves like a network on a bad day.

    Each method returns when the new behaviour is in effect.
    """

    def __init__(self, uri: str) -> None:
        """`uri` is that of the server, `self.uri` leads through the proxy."""
        parts = urlsplit(uri)
        self._server = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self._port = free_port()
        self.uri = f"{parts.scheme}://postgres@127.0.0.1:{self._port}{parts.path}?ssl=disable"
        self._loses_notifications = False
        self._swallows_new = False
        self._links: set[_Link] = set()
        self._listener: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()

    @classmethod
    @contextmanager
    def running(cls, uri: str) -> Iterator[Self]:
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
        """All is well again, for new connections: those that were silenced stay so."""
        self._loses_notifications = self._swallows_new = False
        self._run(self._listen())

    def lose_notifications(self) -> None:
        self._loses_notifications = True

    def silence(self) -> None:
        """Nothing passes on what is open, and nothing is closed: a router forgot the connections."""
        for link in self._links.copy():
            link.silent = True

    def black_hole(self) -> None:
        """New connections are accepted, too, and never answered."""
        self._swallows_new = True
        self.silence()

    def cut(self) -> None:
        """Closes what is open; new connections pass."""
        self._run(self._close_all())

    def refuse(self) -> None:
        """Nobody listens any more."""
        self._run(self._stop_listening())
        self.cut()

    def _run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    async def _listen(self) -> None:
        if self._listener is None:
            self._listener = await asyncio.start_server(self._serve, "127.0.0.1", self._port)

    async def _stop_listening(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    async def _close_all(self) -> None:
        tasks = [link.task for link in self._links]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = _Link(silent=self._swallows_new)
        self._links.add(link)
        try:
            if link.silent:
                await reader.read()  # until the client closes
            else:
                await self._forward(link, reader, writer)
        except (OSError, asyncio.CancelledError):
            pass  # the end of a connection, which is what we are here for
        finally:
            writer.close()
            self._links.discard(link)

    async def _forward(
        self, link: "_Link", reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        server_reader, server_writer = await self._connect()
        directions = [
            asyncio.create_task(link.pass_requests(reader, server_writer)),
            asyncio.create_task(self._pass_answers(link, server_reader, writer)),
        ]
        try:
            await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for direction in directions:
                direction.cancel()
            await asyncio.gather(*directions, return_exceptions=True)
            server_writer.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, port = self._server["host"], self._server["port"]
        if host.startswith("/"):
            return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        return await asyncio.open_connection(host, int(port))

    async def _pass_answers(
        self, link: "_Link", server: asyncio.StreamReader, client: asyncio.StreamWriter
    ) -> None:
        """Message by message: one byte that says what it is, four that say how long."""
        with suppress(asyncio.IncompleteReadError):
            while True:
                head = await server.readexactly(5)
                body = await server.readexactly(int.from_bytes(head[1:]) - 4)
                lost = self._loses_notifications and head[:1] == NOTIFICATION
                if not link.silent and not lost:
                    client.write(head + body)
        if link.silent:
            await asyncio.Event().wait()  # the client is not told


class _Link:
    """One client's connection."""

    def __init__(self, *, silent: bool) -> None:
        self.silent = silent
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("Only inside of a task")
        self.task = task

    async def pass_requests(
        self, client: asyncio.StreamReader, server: asyncio.StreamWriter
    ) -> None:
        while data := await client.read(65536):
            if not self.silent:
                server.write(data)
