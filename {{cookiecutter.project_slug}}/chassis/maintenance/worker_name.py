"""The application name of a control connection tells every instance what its worker process is doing.

`<service> gate` while the gate is open, `<service> gate v7 draining 3 74s <host>/<pid>` while it is closed:
the version of the window that the worker follows, what it has in flight, how old the oldest of it is, and who it is.
PostgreSQL shows the name to every role, and it is gone when the worker is.
Any connection may have such a name, so each control connection also holds a lock, which makes it one.
"""

import os
import re
import socket
import zlib
from dataclasses import dataclass

MAX_LENGTH = 63  # bytes of a name that PostgreSQL keeps
MAX_SERVICE_LENGTH = 28  # leaves room for two numbers of eight digits
MIN_PLACE_LENGTH = 8
LOCK_CLASS = int.from_bytes(b"gate")  # any number that fits into 31 bits, as long as all instances use the same


@dataclass(frozen=True)
class Worker:
    """`version` is 0 for a worker whose gate is open."""

    version: int
    in_flight: int
    place: str
    oldest_seconds: int = 0


def worker_lock(service: str) -> tuple[int, int]:
    """Return the key of the advisory lock that the control connections of this service hold, and nobody else."""
    return LOCK_CLASS, zlib.crc32(service.encode()) >> 1


def open_gate_name(service: str) -> str:
    return f"{_to_ascii(service)[:MAX_SERVICE_LENGTH]} gate"


def closed_gate_name(service: str, version: int, in_flight: int, oldest_seconds: int = 0) -> str:
    """Return a name whose host is cut at its beginning if need be, because names of pods differ at the end.

    The age is left out if it is 0, or if it would leave too little room for the place.
    """
    state = f"{open_gate_name(service)} v{version} draining {in_flight} "
    age = f"{oldest_seconds}s " if in_flight and oldest_seconds else ""
    state += age if len(state) + len(age) + MIN_PLACE_LENGTH <= MAX_LENGTH else ""
    place = f"{_to_ascii(socket.gethostname())}/{os.getpid()}"
    return state + place[-(MAX_LENGTH - len(state)) :]


def parse_worker_name(name: str, service: str) -> Worker | None:
    """Return None if this is not the name of a worker of this service."""
    closed = r"(?: v(\d+) draining (\d+) (?:(\d+)s )?(.*))?"
    found = re.fullmatch(re.escape(open_gate_name(service)) + closed, name)
    return Worker(int(found[1] or 0), int(found[2] or 0), found[4] or "", int(found[3] or 0)) if found else None


def _to_ascii(text: str) -> str:
    """Replace all other characters, which each version of PostgreSQL replaces in its own way."""
    return re.sub("[^ -~]", "?", text)
