"""Several workers of one service, asked by many threads at a time and as fast as they answer."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from threading import Event
from typing import Any, Self

from conftest import Generate
from service import TO_START, Commands, Service

# A controller that asks no database, tells what a worker does, and serves sockets.
CONTROLLER = """
import asyncio
import os

from quart import Blueprint, websocket

blueprint = Blueprint("worker", __name__, url_prefix="/worker")


@blueprint.get("")
async def worker() -> dict[str, int]:
    return {"pid": os.getpid(), "tasks": len(asyncio.all_tasks())}


@blueprint.websocket("/socket")
async def socket() -> None:
    try:
        while True:
            await websocket.send(await websocket.receive())
    finally:
        print("the handler has ended", flush=True)
"""
SWITCH = "/v1/service-context"
ON = {"maintenance": True}
OFF = {"maintenance": False}

Ask = tuple[str, str, Mapping[str, object] | None]  # method, path, body
IDLE: Ask = ("GET", "/worker", None)


def with_worker(generate: Generate) -> Path:
    project = generate()
    controller = project / "src" / "api" / "controllers" / "worker.py"
    controller.write_text(CONTROLLER, encoding="utf-8")
    return project


class Worker:
    """One connection to one worker; one thread at a time may use it."""

    def __init__(self, port: int) -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=TO_START)

    def ask(self, ask: Ask = IDLE) -> tuple[int, Any]:
        """The status, and the body if that is JSON."""
        method, path, data = ask
        body = None if data is None else json.dumps(data)
        self._connection.request(method, path, body, {"Content-Type": "application/json"})
        response = self._connection.getresponse()
        content = response.read()
        is_json = "json" in response.headers.get("Content-Type", "")
        return response.status, json.loads(content) if is_json else None

    def switch(self, on: bool) -> tuple[int, Any]:
        return self.ask(("PATCH", SWITCH, ON if on else OFF))

    @property
    def closed(self) -> bool:
        return self.ask()[0] == 503

    def close(self) -> None:
        self._connection.close()


@contextmanager
def connected(*ports: int) -> Iterator[list[Worker]]:
    workers = [Worker(port) for port in ports]
    try:
        yield workers
    finally:
        for worker in workers:
            worker.close()


@contextmanager
def serving(commands: Commands, project: Path, *settings: Mapping[str, str]) -> Iterator[list[Service]]:
    """A service for each of the settings; they start at the same time."""
    managers = [
        commands.serving(project, answers=f"{each.get('SERVICE_PREFIX', '')}/health/live", **each) for each in settings
    ]
    with ExitStack() as stack, ThreadPoolExecutor(len(managers)) as pool:
        yield list(pool.map(stack.enter_context, managers))


def until(condition: Callable[[], bool], seconds: float = 30.0) -> float:
    """How long it took until the condition held, in seconds."""
    started = time.monotonic()
    while not condition():
        if time.monotonic() - started > seconds:
            msg = f"not within {seconds} s"
            raise TimeoutError(msg)
        time.sleep(0.005)
    return time.monotonic() - started


def switched(workers: Sequence[Worker], at: Worker, on: bool) -> float:
    """When the last of the workers had followed, in seconds of the epoch; `at` is none of these connections."""
    with ThreadPoolExecutor(len(workers)) as pool:
        following = [pool.submit(until, partial(_is, worker, on)) for worker in workers]
        status, body = at.switch(on)
        for each in following:
            each.result()
        followed = time.time()
    if (status, body["maintenance"]) != (200, on):
        raise RuntimeError(f"PATCH was answered with {status}: {body}")
    return followed


def _is(worker: Worker, closed: bool) -> bool:
    return worker.closed == closed


@dataclass(frozen=True)
class Answer:
    """What a worker said, and when (seconds of the monotonic clock)."""

    worker: int
    sent: float
    received: float
    status: int


class Load:
    """Clients, one for each port, that ask in turn at a steady pace until they are stopped."""

    def __init__(self, clients: int, asks: Sequence[Ask], pause: float) -> None:
        self.answers: list[Answer] = []
        self._clients = clients
        self._asks = asks
        self._pause = pause
        self._enough = Event()

    @classmethod
    @contextmanager
    def running(cls, ports: Sequence[int], asks: Sequence[Ask], per_second: float) -> Iterator[Self]:
        """Raises at the end what went wrong on the way, a broken connection for instance."""
        load = cls(len(ports), asks, len(ports) / per_second)
        with ThreadPoolExecutor(len(ports)) as pool:
            clients = [pool.submit(load._ask, *item) for item in enumerate(ports)]
            try:
                yield load
            finally:
                load._enough.set()
            for client in clients:
                client.result()

    def wait_for(self, status: int, *, since: float = 0.0, times: int = 10) -> None:
        """Until each worker has said this so many times to what was sent after `since`."""

        def said() -> bool:
            counts = Counter(each.worker for each in self.answers if each.status == status and each.sent > since)
            return len(counts) == self._clients and min(counts.values()) >= times

        until(said)

    def _ask(self, number: int, port: int) -> None:
        with connected(port) as (worker,):
            due, count = time.monotonic(), 0
            while not self._enough.wait(max(0.0, due - time.monotonic())):
                sent = time.monotonic()
                status, _ = worker.ask(self._asks[count % len(self._asks)])
                self.answers.append(Answer(number, sent, time.monotonic(), status))
                due, count = due + self._pause, count + 1
