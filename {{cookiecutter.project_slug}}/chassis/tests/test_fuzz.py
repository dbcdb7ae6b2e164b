"""Schemathesis generates requests from the OpenAPI document for a real server; every answer must be documented.

By default it generates a few requests, always the same ones. FUZZ_EXAMPLES sets their number for each operation
(`make fuzz`). The sample application has every type of `chassis.http.schemas`, so that each of them is tried.
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
MAINTENANCE_PATH = "/v1/service-context"
TOKEN = "a-token-of-this-test"
START_TIMEOUT = 60.0  # seconds
SERVICE = "asgi:app"
SAMPLE = "chassis.tests.sample.app:app"
# The maintenance window comes last, because every other path answers 503 while it is active.
SELECTIONS = [("--exclude-path", MAINTENANCE_PATH), ("--include-path", MAINTENANCE_PATH)]
SAMPLE_SELECTION = ("--include-path-regex", "^/catalog/(books|shelves)")
FEW_EXAMPLES = ("--max-examples", "3", "--generation-deterministic")
# Nobody can make up a cursor, so only the first page is asked for.
CONFIGURATION = """
[parameters]
"query.cursor" = ""
"""


@pytest.fixture(name="url")
def _url(request: pytest.FixtureRequest, database: Database, database_url: URL) -> Iterator[str]:
    """The URL of an application that runs as in production, on an empty database; it must not log an error."""
    uri = database_url.render_as_string(hide_password=False)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
    settings = {"APP_ENV": "production", "API_DOCS": "true", "LOG_FORMAT": "json", "MAINTENANCE_TOKEN": TOKEN}
    settings |= {"SERVICE_PREFIX": "/", "SHUTDOWN_DRAIN_SECONDS": "0", "DATABASE_CONNECT_TIMEOUT": "30"}
    command = [sys.executable, "-m", "hypercorn", request.param, "--config", "hypercorn.toml", "--bind", address]
    with tempfile.TemporaryFile() as log:
        environment = {**os.environ, **settings, "SQLALCHEMY_DATABASE_URI": uri}
        with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=log) as process:
            try:
                _wait_until_ready(f"http://{address}/health/ready", process)
                yield f"http://{address}"
            finally:
                process.terminate()
        log.seek(0)
        errors = [line for line in log.read().decode().splitlines() if '"level": "error"' in line]

    assert errors == []


@pytest.mark.parametrize("url", [SERVICE], indirect=True)
def test_documents_every_answer(url: str, tmp_path: Path) -> None:
    for selection in SELECTIONS:
        _run_schemathesis(url, tmp_path, *selection)


@pytest.mark.parametrize("url", [SAMPLE], indirect=True)
def test_accepts_what_the_types_of_schemas_document(url: str, tmp_path: Path) -> None:
    phases = () if EXAMPLES else ("--phases", "fuzzing")  # the others need a minute
    _run_schemathesis(url, tmp_path, *SAMPLE_SELECTION, *phases)


def _run_schemathesis(url: str, tmp_path: Path, *options: str) -> None:
    configuration = tmp_path / "schemathesis.toml"
    configuration.write_text(CONFIGURATION)
    settings = {"MAINTENANCE_TOKEN": TOKEN, "NO_PROXY": "127.0.0.1", "HYPOTHESIS_STORAGE_DIRECTORY": str(tmp_path)}
    examples = ("--max-examples", EXAMPLES) if EXAMPLES else FEW_EXAMPLES
    program = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(configuration)]

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
