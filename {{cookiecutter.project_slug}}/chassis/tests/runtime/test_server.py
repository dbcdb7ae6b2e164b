"""Hypercorn starts worker processes unless `workers` is 0; the service refuses to run in one."""

import os
import subprocess
import sys

import pytest

from chassis.config import ROOT
from chassis.runtime.server import refuse_worker_processes
from chassis.tests.command_line import UNREACHABLE

SENTENCE = (
    "Error: this service does not run in worker processes of Hypercorn: set workers = 0, "
    "and run more instances to use more cores, see docs/scaling-out.md of the template."
)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_refuses_to_run_in_a_worker_process(workers: str) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "hypercorn", "asgi:app", "--workers", workers, "--bind", "127.0.0.1:0"],
        cwd=ROOT,
        env={**os.environ, "SQLALCHEMY_DATABASE_URI": UNREACHABLE.render_as_string(hide_password=False)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert set(result.stderr.splitlines()) == {SENTENCE}  # each worker process that has started prints it
    assert result.stdout == ""


def test_runs_in_a_worker_process_of_another_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("multiprocessing.parent_process", object)
    monkeypatch.delitem(sys.modules, "hypercorn", raising=False)

    refuse_worker_processes()
