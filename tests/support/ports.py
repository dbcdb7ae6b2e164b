"""Ports of this machine for servers under test."""

import fcntl
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from socket import create_server

# Below the range from which a system takes the ports of outgoing connections, so that
# no connection gets the port before its server does. Browsers refuse port 10080.
PORTS = range(11_000, 32_000)


def free_port() -> int:
    """A port on which nobody listens, and which no other test process gets for a long time."""
    with (Path(tempfile.gettempdir()) / f"free-ports-{os.getuid()}").open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        count = int(file.read() or 0)
        while not is_free(port := PORTS[count % len(PORTS)]):
            count += 1
        file.truncate(0)
        file.write(str(count + 1))
    return port


def is_free(port: int) -> bool:
    with suppress(OSError), create_server(("127.0.0.1", port)):
        return True
    return False
