"""The application name of a control connection tells every instance what its worker process is doing.

`<service> gate` while the gate is open, `<service> gate v7 draining 3 <host>/<pid>` while it is closed:
the version of the window that the worker follows, what it has in flight, and who it is.
PostgreSQL shows the name to every role, and it is gone when the worker is.
"""

import os
import re
import socket
from dataclasses import dataclass

MAX_LENGTH = 63  # bytes of a name that PostgreSQL keeps
MAX_SERVICE_LENGTH = 28  # leaves room for two numbers of eight digits


@dataclass(frozen=True)
class Worker:
    """`version` is 0 for a worker whose gate is open."""

    version: int
    in_flight: int
    place: str


def open_gate_name(service: str) -> str:
    return f"{_to_ascii(service)[:MAX_SERVICE_LENGTH]} gate"


def closed_gate_name(service: str, version: int, in_flight: int) -> str:
    """Return a name whose host is cut at its beginning if need be, because names of pods differ at the end."""
    state = f"{open_gate_name(service)} v{version} draining {in_flight} "
    place = f"{_to_ascii(socket.gethostname())}/{os.getpid()}"
    return state + place[-(MAX_LENGTH - len(state)) :]


def parse_worker_name(name: str, service: str) -> Worker | None:
    """Return None if this is not the name of a worker of this service."""
    found = re.fullmatch(rf"{re.escape(open_gate_name(service))}(?: v(\d+) draining (\d+) (.*))?", name)
    return Worker(int(found[1] or 0), int(found[2] or 0), found[3] or "") if found else None


def _to_ascii(text: str) -> str:
    """Replace all other characters, which each version of PostgreSQL replaces in its own way."""
    return re.sub("[^ -~]", "?", text)
