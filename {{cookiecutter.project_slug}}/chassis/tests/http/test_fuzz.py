"""Requests that Schemathesis makes up from the OpenAPI document, to a real server: every answer must be documented.

Few requests and always the same ones, unless FUZZ_EXAMPLES says how many for each operation (`make fuzz`).
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

import pytest
from sqlalchemy import URL

from chassis.config import ROOT
from chassis.persistence.database import Database

EXAMPLES = os.environ.get("FUZZ_EXAMPLES", "")
SWITCH = "/v1/service-context"
TOKEN = "a-token-of-this-test"
TO_START = 60.0  # seconds


@pytest.fixture(name="url")
def _url(database: Database, database_url: URL) -> Iterator[str]:
    """Where a service as in production answers, on an empty database; it must not log an error."""
    uri = database_url.render_as_string(hide_password=False)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
    settings = {"APP_ENV": "production", "API_DOCS": "true", "LOG_FORMAT": "json", "MAINTENANCE_TOKEN": TOKEN}
    settings |= {"SERVICE_PREFIX": "/", "SHUTDOWN_DRAIN_SECONDS": "0", "DATABASE_CONNECT_TIMEOUT": "30"}
    command = [sys.executable, "-m", "hypercorn", "asgi:app", "--config", "hypercorn.toml", "--bind", address]
    with tempfile.TemporaryFile() as log:
        environment = {**os.environ, **settings, "SQLALCHEMY_DATABASE_URI": uri}
        with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=log) as process:
            try:
                _wait_for(f"http://{address}/health/ready", process)
                yield f"http://{address}"
            finally:
                process.terminate()
        log.seek(0)
        errors = [line for line in log.read().decode().splitlines() if '"level": "error"' in line]

    assert errors == []


def test_every_answer_is_documented(url: str, tmp_path: Path) -> None:
    """The switch comes last and alone: on, it makes a 503 of every other answer."""
    settings = {"MAINTENANCE_TOKEN": TOKEN, "NO_PROXY": "127.0.0.1", "HYPOTHESIS_STORAGE_DIRECTORY": str(tmp_path)}
    number = ("--max-examples", EXAMPLES) if EXAMPLES else ("--max-examples", "3", "--generation-deterministic")
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.json", "--no-color", *number]

    for selection in ("--exclude-path", "--include-path"):
        result = subprocess.run(
            [*command, selection, SWITCH],
            cwd=ROOT,
            env={**os.environ, **settings},
            capture_output=True,
            text=True,
            check=False,
        )

        assert result.returncode == 0, result.stdout + result.stderr


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    opener = build_opener(ProxyHandler({}))
    deadline = time.monotonic() + TO_START
    while True:
        try:
            opener.open(url, timeout=TO_START).close()
        except (URLError, ConnectionError):
            if time.monotonic() > deadline or process.poll() is not None:
                raise
            time.sleep(0.05)
        else:
            return
