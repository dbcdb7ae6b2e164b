import socket
import subprocess
import sys

import pytest

from chassis.dev.check_port import find_problem


def test_reports_a_port_that_is_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        result = subprocess.run(
            [sys.executable, "-m", "chassis.dev.check_port", port], capture_output=True, text=True, check=False
        )

    assert result.returncode == 1
    assert result.stderr.startswith(f"Port {port} is in use")
    assert len(result.stderr.splitlines()) == 1
    assert find_problem(port) is None


@pytest.mark.parametrize("port", ["", "0", "65536", "abc", "-1"])
def test_refuses_a_text_that_is_not_a_port(port: str) -> None:
    assert find_problem(port) == f"PORT={port} is not a port: expected a number from 1 to 65535."
