"""The service on a port of 127.0.0.1, started again whenever one of its files is saved: `make dev`.

usage: python -m chassis.dev.reload PORT

Starting Python and importing packages takes longer than the rest. So one process, the fork server of `multiprocessing`,
has imported the packages, and each service is a fork of it that imports only `chassis` and `src`. The socket belongs
to none of them: while no service runs, requests wait for the next one.
"""

import asyncio
import multiprocessing
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from watchfiles import Change, DefaultFilter, awatch

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = [ROOT / name for name in ("src", "chassis", "migrations")]
FILES = (".env", "asgi.py", "hypercorn.toml", "pyproject.toml")
STOP_SECONDS = 2.0  # for requests in flight of a service that is replaced
PACKAGES = [  # that take long to import
    *("alembic.command", "asyncpg", "dependency_injector.containers", "flask_swagger_ui", "hypercorn.asyncio"),
    *("pydantic_settings", "quart", "quart_cors", "quart_schema", "sqlalchemy.dialects.postgresql.asyncpg"),
    *("sqlalchemy.dialects.sqlite.aiosqlite", "sqlalchemy.ext.asyncio", "structlog", "uvloop"),
]

context = multiprocessing.get_context("forkserver")


class FileFilter(DefaultFilter):
    """Selects files of the root folder, where other programs write, too."""

    def __call__(self, change: Change, path: str) -> bool:
        return Path(path).name in FILES and super().__call__(change, path)


class Service:
    """The process that serves the current files."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._process = self._start()

    async def restart(self) -> None:
        """Start the next process while the previous one stops."""
        previous = self._process
        previous.terminate()
        self._process = self._start()
        await asyncio.to_thread(stop, previous)

    def stop(self) -> None:
        stop(self._process)

    def _start(self) -> ForkServerProcess:
        process = context.Process(target=serve, args=(self._listener,))
        process.start()
        return process


def stop(process: ForkServerProcess) -> None:
    process.terminate()
    process.join(STOP_SECONDS)
    process.kill()


def serve(listener: socket.socket) -> None:
    """Run Hypercorn, as its command line would, on a socket that is open already."""
    from hypercorn.__main__ import main  # not in the process that watches

    # Bytecode counts as current if the source has the same size and was saved in the same second.
    sys.dont_write_bytecode = True
    try:
        main(["asgi:app", "--config", "hypercorn.toml", "--bind", f"fd://{listener.detach()}"])
    except KeyboardInterrupt:
        return
    except SystemExit as error:
        print(error, file=sys.stderr)
    except BaseException:  # noqa: BLE001 - for instance a SyntaxError
        traceback.print_exc()
    else:
        return
    print("The service does not run. It starts again as soon as a file is saved.", file=sys.stderr)


async def main(listener: socket.socket) -> None:
    stop_on_signals(asyncio.current_task())
    changed = asyncio.Event()
    service = Service(listener)
    try:
        async with asyncio.TaskGroup() as watchers:
            watchers.create_task(watch(changed.set, *FOLDERS))
            watchers.create_task(watch(changed.set, ROOT, watch_filter=FileFilter(), recursive=False))
            while True:
                await changed.wait()
                changed.clear()
                await service.restart()
    finally:
        service.stop()


async def watch(report: Callable[[], None], *paths: Path, **options: Any) -> None:
    async for _changes in awatch(*paths, **options):
        report()


def stop_on_signals(task: asyncio.Task[Any] | None) -> None:
    if task:
        for number in (signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)


if __name__ == "__main__":
    os.environ["SHUTDOWN_DRAIN_SECONDS"] = "0"  # no proxy is in front that has to switch to another instance
    context.set_forkserver_preload(PACKAGES)
    with (
        suppress(asyncio.CancelledError, KeyboardInterrupt),
        socket.create_server(("127.0.0.1", int(sys.argv[1]))) as s,
    ):
        asyncio.run(main(s))
