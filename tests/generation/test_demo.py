"""`make demo` in a fresh clone, on a machine with nothing but Python, make and a package index."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from support.ports import free_port
from support.report import note
from support.template import ROOT
from support.waiting import wait_until

START_TIMEOUT = 300.0  # seconds, with all packages to download
STOP_TIMEOUT = 30.0
EXCLUDED = {"docker", "dockerd", "podman", "initdb", "pg_ctl", "postgres", "psql", "uv", "uvx"}
ELSEWHERE = {"PIP_USER": "1", "PIP_TARGET": "/nowhere"}  # where pip would install, if the Makefiles let it
PACKAGE_INDEX = ("PIP_", "UV_", "SSL_", "REQUESTS_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


@pytest.fixture(name="clone", scope="module")
def _clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the files that git knows or would add, without anything that was built."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    clone = tmp_path_factory.mktemp("clone")
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, clone / name)
    return clone


@pytest.fixture(name="environment", scope="module")
def _environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A HOME with nothing but a pip.conf, and a PATH without Docker, PostgreSQL and uv."""
    programs = tmp_path_factory.mktemp("bin")
    virtual = Path(sys.executable).parent
    for folder in map(Path, os.environ["PATH"].split(os.pathsep)):
        for program in folder.glob("*") if folder != virtual else []:
            if program.name not in EXCLUDED and not (programs / program.name).is_symlink():
                (programs / program.name).symlink_to(program)
    index = {name: os.environ[name] for name in os.environ if name.upper().startswith(PACKAGE_INDEX)}
    python = getattr(sys, "_base_executable", sys.executable)
    home = tmp_path_factory.mktemp("home")
    (home / ".pip").mkdir()
    (home / ".pip" / "pip.conf").write_text("[global]\nuser = true\n", encoding="utf-8")
    return {**index, **ELSEWHERE, "HOME": str(home), "PATH": str(programs), "PYTHON": python}


class Demo:
    """A running `make demo` in a new process group, as a terminal starts it."""

    def __init__(self, clone: Path, environment: dict[str, str]) -> None:
        port = free_port()
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60)
        self.folder = clone
        self.output = clone.parent / "output"
        self.started = time.monotonic()
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                ["make", "demo", f"PORT={port}"],
                cwd=clone,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def post(self) -> httpx.Response:
        """Create a todo as soon as the service has started and, on a slow machine, read the maintenance state."""
        while time.monotonic() - self.started < START_TIMEOUT and self.process.poll() is None:
            with suppress(httpx.TransportError):
                response = self.http.post("/v1/todo", json={"title": "a"})
                if response.status_code != 503:
                    self.seconds_to_answer = time.monotonic() - self.started
                    return response
            time.sleep(0.05)
        raise AssertionError(self.output.read_text(encoding="utf-8"))

    def interrupt(self) -> int:
        """Press Ctrl-C and return the exit code of make."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(STOP_TIMEOUT)

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.http.close()

    def find_processes(self) -> list[str]:
        """Command lines of its process group, and of any process with a folder of the clone as an argument."""
        command = ["ps", "-A", "-ww", "-o", "pgid=,args="]
        listed = subprocess.run(command, capture_output=True, text=True, check=True)
        return [
            line
            for line in listed.stdout.splitlines()
            if line.split()[0] == str(self.process.pid) or str(self.folder) in line
        ]

    def find_left_processes(self) -> list[str]:
        """The same after make has ended, when its processes have had time to end."""
        with suppress(TimeoutError):
            wait_until(lambda: not self.find_processes(), STOP_TIMEOUT)
        return self.find_processes()


@contextmanager
def run_demo(clone: Path, environment: dict[str, str]) -> Iterator[Demo]:
    running = Demo(clone, environment)
    try:
        yield running
    finally:
        running.kill()


def test_serves_from_a_fresh_clone_and_leaves_no_process_running(clone: Path, environment: dict[str, str]) -> None:
    found = [name for name in EXCLUDED if shutil.which(name, path=environment["PATH"])]
    assert found == []

    with run_demo(clone, environment) as cold:
        created = cold.post()
        running = cold.find_processes()
        cold.interrupt()
        left_by_cold = cold.find_left_processes()
        output = cold.output.read_text(encoding="utf-8")
    with run_demo(clone, environment) as warm:
        again = warm.post()
        kept = warm.http.get(f"/v1/todo/{created.json()['id']}")
        warm.interrupt()
        left_by_warm = warm.find_left_processes()

    assert created.status_code == 201, created.text
    assert any("postgres" in line for line in running)
    assert any("hypercorn" in line for line in running)
    assert any("make demo" in line for line in running)
    assert left_by_cold == left_by_warm == []
    assert "Traceback" not in output, output
    assert again.json()["id"] > created.json()["id"]
    assert kept.json() == created.json()
    note(f"make demo: POST answered after {cold.seconds_to_answer:.0f} s, next time {warm.seconds_to_answer:.1f} s")
