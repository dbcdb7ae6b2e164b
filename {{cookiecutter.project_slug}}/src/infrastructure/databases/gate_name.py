"""What a worker tells everybody by the name of its control connection, which is gone when the worker is.

`<service> gate`, and while it is closed `<service> gate v7 draining 3 <host>/<pid>`:
the version of the window that it follows, how much is in flight, and who it is.
"""

import os
import re
import socket
from dataclasses import dataclass

_LENGTH = 63  # bytes of a name that PostgreSQL keeps
_SERVICE_LENGTH = 28  # leaves room for two numbers of eight digits


@dataclass(frozen=True)
class Worker:
    """`version` is 0 while it says nothing."""

    version: int
    in_flight: int
    place: str


def open_name(service: str) -> str:
    return f"{_ascii(service)[:_SERVICE_LENGTH]} gate"


def closed_name(service: str, version: int, in_flight: int) -> str:
    """What does not fit is left out of the host, at its beginning: the names of pods differ at the end."""
    said = f"{open_name(service)} v{version} draining {in_flight} "
    who = f"{_ascii(socket.gethostname())}/{os.getpid()}"
    return said + who[-(_LENGTH - len(said)) :]


def parse(name: str, service: str) -> Worker | None:
    """None when it is not the name of a worker of this service."""
    found = re.fullmatch(rf"{re.escape(open_name(service))}(?: v(\d+) draining (\d+) (.*))?", name)
    return Worker(int(found[1] or 0), int(found[2] or 0), found[3] or "") if found else None


def _ascii(text: str) -> str:
    """PostgreSQL replaces anything else, each version in its own way."""
    return re.sub("[^ -~]", "?", text)
