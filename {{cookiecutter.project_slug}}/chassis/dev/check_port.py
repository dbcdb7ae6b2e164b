"""A port that cannot be used is reported in one sentence; the server itself would print a traceback.

usage: python -m chassis.dev.check_port PORT
"""

import errno
import os
import socket
import sys


def find_problem(port: str) -> str | None:
    """Return why the port of 127.0.0.1 cannot be used, or None."""
    if not port.isdecimal() or not 0 < int(port) < 65536:
        return f"PORT={port} is not a port: expected a number from 1 to 65535."
    try:
        socket.create_server(("127.0.0.1", int(port))).close()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return f"Port {port} is in use: stop the program that listens there, or choose another one with PORT=7001."
        return f"Port {port} cannot be used: {os.strerror(error.errno or 0)}."
    return None


if __name__ == "__main__":
    sys.exit(find_problem(sys.argv[1] if len(sys.argv) > 1 else ""))
