"""Clients that go on asking a service while its database is in trouble, and remember every answer."""

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

from workers import Ask

TO_ANSWER = 60.0  # seconds, after which a test fails


@dataclass(frozen=True)
class Answer:
    """Times in seconds of the monotonic clock."""

    ask: Ask
    sent: float
    received: float
    status: int
    retry_after: str | None
    body: Any

    @property
    def seconds(self) -> float:
        return self.received - self.sent


class Client:
    """One connection to the service; where it breaks, the service has crashed, and the test fails."""

    def __init__(self, port: int) -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=TO_ANSWER)

    def ask(self, ask: Ask) -> Answer:
        method, path, data = ask
        body = None if data is None else json.dumps(data)
        sent = time.monotonic()
        self._connection.request(method, path, body, {"Content-Type": "application/json"})
        response = self._connection.getresponse()
        content = response.read()
        received = time.monotonic()
        retry_after = response.headers.get("Retry-After")
        return Answer(ask, sent, received, response.status, retry_after, json.loads(content) if content else None)

    def close(self) -> None:
        self._connection.close()


class Storm:
    """Answers of clients that ask as fast as they are answered, and after a 503 pause for a moment."""

    def __init__(self, port: int, asks: Iterable[Ask], pause: float) -> None:
        """`asks` is no generator: many threads take from it."""
        self.answers: list[Answer] = []
        self._port = port
        self._asks = iter(asks)
        self._pause = pause
        self._enough = Event()
        self._going_on = sys.maxsize  # so many clients
        self._clients: list[Future[None]] = []

    @classmethod
    @contextmanager
    def raging(cls, port: int, asks: Iterable[Ask], *, clients: int = 8, pause: float = 0.05) -> Iterator[Self]:
        """Until the end of the block; raises there what went wrong with a connection."""
        storm = cls(port, asks, pause)
        with ThreadPoolExecutor(clients) as pool:
            storm._clients = [pool.submit(storm._rage, number) for number in range(clients)]
            try:
                yield storm
            finally:
                storm._enough.set()
        for client in storm._clients:
            client.result()

    def abate(self) -> None:
        """Returns when there is nothing more to ask."""
        for client in self._clients:
            client.result()

    def thin_out(self, clients: int) -> None:
        """Only so many ask another time."""
        self._going_on = clients

    def _rage(self, number: int) -> None:
        client = Client(self._port)
        try:
            while number < self._going_on and not self._enough.is_set() and (ask := next(self._asks, None)):
                answer = client.ask(ask)
                self.answers.append(answer)
                if answer.status == 503:
                    self._enough.wait(self._pause)
        finally:
            client.close()
