"""A process without free descriptors cannot answer its health probe, so it accepts fewer connections than that."""

import logging
import sys
import time
from math import inf
from typing import Protocol

log = logging.getLogger(__name__)

# For connections that wait to be accepted (`backlog` of Hypercorn is 100), the database, files and the event loop.
RESERVED_DESCRIPTORS = 200
SECONDS_BETWEEN_WARNINGS = 60.0


class RareWarning:
    """Logs an event at most once a minute, because a flood of connections must not flood the log."""

    def __init__(self, event: str) -> None:
        self._event = event
        self._next = -inf

    def log(self, **fields: object) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + SECONDS_BETWEEN_WARNINGS
            log.warning(self._event, extra=fields)


class Closable(Protocol):
    def close_idle(self) -> None: ...


class ConnectionLimit:
    """Counts connections; at the limit, a new one replaces the one that has been idle for longest."""

    def __init__(self, maximum: float) -> None:
        self._maximum = maximum
        self._open = 0
        self._idle: dict[Closable, None] = {}  # longest idle first
        self._warning = RareWarning("connection limit reached")

    def admit(self, connection: Closable) -> bool:
        """Count an idle connection; return False, without counting it, if it has to be refused."""
        if self._open >= self._maximum:
            self._warning.log(limit=self._maximum)
            if not self._idle:
                return False
            longest_idle = next(iter(self._idle))
            del self._idle[longest_idle]
            longest_idle.close_idle()
        self._open += 1
        self._idle[connection] = None
        return True

    def mark(self, connection: Closable, *, idle: bool) -> None:
        self._idle.pop(connection, None)
        if idle:
            self._idle[connection] = None

    def release(self, connection: Closable) -> None:
        self._idle.pop(connection, None)
        self._open -= 1


def find_maximum() -> float:
    """Return the number of connections that the limit of descriptors (`ulimit -n`) allows."""
    if sys.platform == "win32":
        return inf
    import resource  # there is none on Windows

    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if descriptors == resource.RLIM_INFINITY:
        return inf
    return max(descriptors - RESERVED_DESCRIPTORS, descriptors // 2)


class DescriptorFilter(logging.Filter):
    """Replaces the tracebacks of asyncio, up to a hundred a second when descriptors run out, with a rare warning."""

    def __init__(self) -> None:
        super().__init__()
        self._warning = RareWarning("no descriptor is free for new connections")

    def filter(self, record: logging.LogRecord) -> bool:
        if not record.getMessage().startswith("socket.accept() out of system resource"):
            return True
        self._warning.log()
        return False
