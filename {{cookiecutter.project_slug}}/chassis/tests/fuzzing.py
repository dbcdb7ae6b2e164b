"""Runs schemathesis, which generates requests from the OpenAPI document, against a real server."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from dotenv import dotenv_values
from sqlalchemy import URL

from chassis.config import ROOT

SERVICE_SETTINGS = {name: value or "" for name, value in dotenv_values(ROOT / "tests" / "fuzz.env").items()}
SERVICE_REQUESTS = ROOT / "schemathesis.toml"
CHASSIS_REQUESTS = ROOT / "chassis" / "tests" / "schemathesis.toml"
EXAMPLES = os.environ.get("FUZZ_EXAMPLES", "")
FEW_EXAMPLES = ("--max-examples", "3", "--generation-deterministic")
TOKEN = "a-token-of-this-test"
START_TIMEOUT = 60.0  # seconds


@contextmanager
def serve(application: str, database_url: URL) -> Iterator[str]:
    """Give the URL of an application that runs as in production; it must not log an error."""
    uri = database_url.render_as_string(hide_password=False)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
    settings = {"APP_ENV": "production", "API_DOCS": "true", "LOG_FORMAT": "json", "MAINTENANCE_TOKEN": TOKEN}
    settings |= {"SERVICE_PREFIX": "/", "SHUTDOWN_DRAIN_SECONDS": "0", "DATABASE_CONNECT_TIMEOUT": "30"}
    command = [sys.executable, "-m", "hypercorn", application, "--config", "hypercorn.toml", "--bind", address]
    with tempfile.TemporaryFile() as log:
        environment = {**os.environ, **SERVICE_SETTINGS, **settings, "SQLALCHEMY_DATABASE_URI": uri}
        with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=log) as process:
            try:
                _wait_until_ready(f"http://{address}/health/ready", process)
                yield f"http://{address}"
            finally:
                process.terminate()
        log.seek(0)
        errors = [line for line in log.read().decode().splitlines() if '"level": "error"' in line]

    assert errors == []


def run_schemathesis(url: str, directory: Path, *options: str, requests: Path = SERVICE_REQUESTS) -> None:
    """Assert that every answer is documented.

    `directory` is for temporary files, `requests` is the file that says how requests are generated.
    """
    settings = {
        **SERVICE_SETTINGS,
        "MAINTENANCE_TOKEN": TOKEN,
        "NO_PROXY": "127.0.0.1",
        "HYPOTHESIS_STORAGE_DIRECTORY": str(directory),
    }
    examples = ("--max-examples", EXAMPLES) if EXAMPLES else FEW_EXAMPLES
    program = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(requests)]

    result = subprocess.run(
        [*program, "run", f"{url}/openapi.json", "--no-color", *examples, *options],
        cwd=ROOT,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 0, result.stdout + result.stderr


def _wait_until_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    opener = build_opener(ProxyHandler({}))
    deadline = time.monotonic() + START_TIMEOUT
    while True:
        try:
            opener.open(url, timeout=START_TIMEOUT).close()
        except (URLError, ConnectionError):
            if time.monotonic() > deadline or process.poll() is not None:
                raise
            time.sleep(0.05)
        else:
            return
