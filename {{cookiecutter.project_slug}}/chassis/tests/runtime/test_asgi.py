"""`asgi.py` hardens the server that imports it, and no other one."""

import os
import subprocess
import sys

import pytest

from chassis.config import ROOT
from chassis.tests.command_line import UNREACHABLE

PRINT_CLASS = "import hypercorn.asyncio.run; print(hypercorn.asyncio.run.TCPServer.__module__)"


def run_python(code: str) -> str:
    environment = {**os.environ, "SQLALCHEMY_DATABASE_URI": UNREACHABLE.render_as_string(hide_password=False)}
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=True
    ).stdout.strip()


@pytest.mark.parametrize(
    ("server", "module"),
    [("hypercorn.asyncio", "chassis.runtime.hypercorn"), ("http.server", "hypercorn.asyncio.tcp_server")],
)
def test_hardens_hypercorn_only_if_that_imports_the_application(server: str, module: str) -> None:
    assert run_python(f"import {server}, asgi; {PRINT_CLASS}") == module


def test_does_not_import_hypercorn_for_another_server() -> None:
    code = "import sys, chassis.runtime.server as server; server.harden_server(); print('hypercorn' in sys.modules)"

    assert run_python(code) == "False"
