"""Hypercorn can start several worker processes; the service refuses to run in them."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

import pytest

from chassis.config import ROOT
from chassis.runtime.server import _count_workers, refuse_worker_processes
from chassis.tests.command_line import UNREACHABLE

HYPERCORN = (sys.executable, "-m", "hypercorn", "asgi:app")
ENVIRONMENT = {**os.environ, "SQLALCHEMY_DATABASE_URI": UNREACHABLE.render_as_string(hide_password=False)}
SENTENCE = (
    "Error: this service does not run in several worker processes of Hypercorn: set workers = 0, "
    "and run more instances to use more cores, see docs/scaling-out.md of the template."
)


def test_refuses_to_run_in_several_worker_processes() -> None:
    command = [*HYPERCORN, "--workers", "2", "--bind", "127.0.0.1:0"]

    result = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=60, check=False)

    assert set(result.stderr.splitlines()) == {SENTENCE}  # each worker process that has started prints it
    assert result.stdout == ""


def test_serves_with_the_defaults_of_hypercorn() -> None:
    """By default there is one worker process."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    process = subprocess.Popen(
        [*HYPERCORN, "--bind", address], cwd=ROOT, env={**ENVIRONMENT, "SERVICE_PREFIX": "/"}, start_new_session=True
    )
    try:
        assert _wait_for(f"http://{address}/health/live") == 200
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_for(url: str) -> int:
    opener, deadline = build_opener(ProxyHandler({})), time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            with opener.open(url, timeout=60) as response:
                return int(response.status)
        except (URLError, ConnectionError):
            time.sleep(0.05)
    return 0


@pytest.mark.parametrize(
    ("arguments", "workers"),
    [
        (["asgi:app"], 1),
        (["asgi:app", "--config", "hypercorn.toml"], 0),
        (["asgi:app", "--config", "hypercorn.toml", "--workers", "4"], 4),
        (["asgi:app", "-w", "3"], 3),
        (["asgi:app", "-c", "other.toml"], 2),
        (["asgi:app", "-c", "python:settings"], 1),
    ],
)
def test_counts_workers_on_the_command_line_and_in_its_file(
    arguments: list[str], workers: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hypercorn.toml").write_text((ROOT / "hypercorn.toml").read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "other.toml").write_text("workers = 2\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)

    assert _count_workers(arguments) == workers


def test_runs_in_a_worker_process_of_another_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("multiprocessing.parent_process", object)
    monkeypatch.delitem(sys.modules, "hypercorn", raising=False)

    refuse_worker_processes()
