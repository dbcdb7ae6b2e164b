"""A steady load on several instances, with a record of every answer."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event
from typing import Self

from support.instances import Call, connect_to
from support.waiting import wait_until


@dataclass(frozen=True)
class Sample:
    """One answer; times are seconds of the monotonic clock."""

    client: int
    sent: float
    received: float
    status: int


class Load:
    """Clients, one for each port, that make the calls in turn at a steady pace until they are stopped."""

    def __init__(self, clients: int, calls: Sequence[Call], pause: float) -> None:
        self.samples: list[Sample] = []
        self._clients = clients
        self._calls = calls
        self._pause = pause
        self._stopped = Event()

    @classmethod
    @contextmanager
    def run(cls, ports: Sequence[int], calls: Sequence[Call], per_second: float) -> Iterator[Self]:
        """Run until the end of the block; then raise what any client met, for example a broken connection."""
        load = cls(len(ports), calls, len(ports) / per_second)
        with ThreadPoolExecutor(len(ports)) as pool:
            clients = [pool.submit(load._ask, *item) for item in enumerate(ports)]
            try:
                yield load
            finally:
                load._stopped.set()
            for client in clients:
                client.result()

    def wait_for(self, status: int, *, since: float = 0.0, times: int = 10) -> None:
        """Wait until each client has got this status so many times for calls that were sent after `since`."""

        def is_complete() -> bool:
            counts = Counter(each.client for each in self.samples if each.status == status and each.sent > since)
            return len(counts) == self._clients and min(counts.values()) >= times

        wait_until(is_complete)

    def _ask(self, number: int, port: int) -> None:
        with connect_to(port) as (client,):
            due, count = time.monotonic(), 0
            while not self._stopped.wait(max(0.0, due - time.monotonic())):
                sent = time.monotonic()
                status, _ = client.ask(self._calls[count % len(self._calls)])
                self.samples.append(Sample(number, sent, time.monotonic(), status))
                due, count = due + self._pause, count + 1
