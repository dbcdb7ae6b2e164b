"""Clients that keep asking a service during a fault of its database, with a record of every answer."""

import json
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from threading import Event
from typing import Any, Self

from support.instances import Call

ANSWER_TIMEOUT = 60.0  # seconds, after which the test fails


@dataclass(frozen=True)
class Answer:
    """An answer to a client of a storm; times are seconds of the monotonic clock."""

    call: Call
    sent: float
    received: float
    status: int
    retry_after: str | None
    body: Any

    @property
    def seconds(self) -> float:
        return self.received - self.sent


class StormClient:
    """One connection to the service; it breaks, and fails the test, only if the service crashes."""

    def __init__(self, port: int) -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=ANSWER_TIMEOUT)

    def ask(self, call: Call) -> Answer:
        method, path, data = call
        body = None if data is None else json.dumps(data)
        sent = time.monotonic()
        self._connection.request(method, path, body, {"Content-Type": "application/json"})
        response = self._connection.getresponse()
        content = response.read()
        received = time.monotonic()
        retry_after = response.headers.get("Retry-After")
        return Answer(call, sent, received, response.status, retry_after, json.loads(content) if content else None)

    def close(self) -> None:
        self._connection.close()


class Storm:
    """Clients that send the next request as soon as they have an answer, after a pause if that is 503."""

    def __init__(self, port: int, calls: Iterable[Call], pause: float) -> None:
        """`calls` is not a generator, because several threads iterate over it."""
        self.answers: list[Answer] = []
        self._port = port
        self._calls = iter(calls)
        self._pause = pause
        self._stopped = Event()
        self._active_clients = sys.maxsize
        self._clients: list[Future[None]] = []

    @classmethod
    @contextmanager
    def run(cls, port: int, calls: Iterable[Call], *, clients: int = 8, pause: float = 0.05) -> Iterator[Self]:
        """Run until the end of the block; then raise what any client met, for example a broken connection."""
        storm = cls(port, calls, pause)
        with ThreadPoolExecutor(clients) as pool:
            storm._clients = [pool.submit(storm._run_client, number) for number in range(clients)]
            try:
                yield storm
            finally:
                storm._stopped.set()
        for client in storm._clients:
            client.result()

    def wait_for_end(self) -> None:
        """Wait until all calls have been made."""
        for client in self._clients:
            client.result()

    def limit_clients(self, clients: int) -> None:
        """Let only so many clients send another request."""
        self._active_clients = clients

    def _run_client(self, number: int) -> None:
        client = StormClient(self._port)
        try:
            while number < self._active_clients and not self._stopped.is_set() and (call := next(self._calls, None)):
                answer = client.ask(call)
                self.answers.append(answer)
                if answer.status == 503:
                    self._stopped.wait(self._pause)
        finally:
            client.close()
