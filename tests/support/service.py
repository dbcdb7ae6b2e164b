"""Runs the commands of a generated project in separate processes, as its user does; a pytest plugin."""

import json
import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import httpx
import pytest

from support.applications import add_controller
from support.ports import free_port
from support.template import Generate

HYPERCORN = ("hypercorn", "asgi:app", "--config", "hypercorn.toml", "--bind", "127.0.0.1:{port}")
UNREACHABLE = "postgresql://nobody@127.0.0.1:1/nothing"
START_TIMEOUT = 60.0  # seconds, on a busy machine
STOP_TIMEOUT = 30.0
LOG_TIMEOUT = 5.0
FOLLOW_TIMEOUT = 120.0
RETRY_TIMEOUT = 2.0
# Without a database the watcher logs another error, and there is nothing to wait for.
WATCHER_TIMED_OUT = re.compile("^(?=.*TimeoutError).*maintenance state is not watched", re.MULTILINE)
INHERITED = ("HOME", "LANG", "SYSTEMROOT", "TMPDIR")  # without the settings of whoever runs the tests


def insert_port(port: int, command: Sequence[str]) -> list[str]:
    return [word.replace("{port}", str(port)) for word in command]


class Service:
    """A running service and an HTTP client for it; `output` is everything it has written to stdout and stderr."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, output: IO[bytes]) -> None:
        self.process = process
        self.started = time.monotonic()
        self.seconds_to_start = 0.0  # until the first answer
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.http = httpx.Client(base_url=self.url, trust_env=False, timeout=STOP_TIMEOUT)
        self._output = output

    @property
    def output(self) -> str:
        return os.pread(
            self._output.fileno(), 10_000_000, 0
        ).decode()  # pread, because the service appends at the shared file position

    def events(self, **wanted: object) -> list[dict[str, Any]]:
        """Lines of the JSON log that have these members, oldest first."""
        complete, _, _ = self.output.rpartition("\n")
        lines = [line for line in complete.splitlines() if line.startswith("{") and line.endswith("}")]
        events: list[dict[str, Any]] = [json.loads(line) for line in lines]
        return [event for event in events if wanted.items() <= event.items()]

    def wait_for_events(self, **wanted: object) -> list[dict[str, Any]]:
        """Wait for at least one such line, because a request is logged after its answer has been sent."""
        deadline = time.monotonic() + LOG_TIMEOUT
        while not self.events(**wanted) and time.monotonic() < deadline:
            time.sleep(0.01)
        return self.events(**wanted)

    @property
    def resident_megabytes(self) -> float | None:
        """Memory of the process, or None on systems without /proc."""
        status = Path(f"/proc/{self.process.pid}/status")
        if not status.exists():
            return None
        values = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(values["VmRSS"].split()[0]) / 1024

    def request(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> httpx.Response:
        """Send the path unchanged, even one like //example that httpx would take for a host."""
        request = self.http.build_request(method, "/", headers=headers, content=content)
        request.url = request.url.copy_with(raw_path=path.encode())
        return self.http.send(request)

    def follow(self, path: str) -> bytes:
        """Return the last part of a stream without an end, when the service has cut it off.

        Raises:
            TimeoutError: it goes on for `FOLLOW_TIMEOUT`.
        """
        last, deadline = b"", time.monotonic() + FOLLOW_TIMEOUT
        with (
            suppress(httpx.RemoteProtocolError),
            httpx.stream("GET", f"{self.url}{path}", trust_env=False, timeout=STOP_TIMEOUT) as response,
        ):
            for last in response.iter_raw():  # noqa: B007
                if time.monotonic() > deadline:
                    raise TimeoutError(f"{path} has not been cut off")
        return last

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> httpx.Response:
        return self.request("GET", path, headers)

    def wait_for(self, path: str, status: int = 200) -> None:
        """Wait until the path answers with this status."""
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                if self.get(path).status_code == status:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.01)
        raise AssertionError(f"{path} does not answer with {status}; the service wrote:\n{self.output}")

    def wait_until_window_is_known(self) -> None:
        """Wait for the second attempt to read the maintenance state; after a slow first one it answers only 503."""
        deadline = time.monotonic() + RETRY_TIMEOUT
        while (
            WATCHER_TIMED_OUT.search(self.output)
            and "is watched again" not in self.output
            and time.monotonic() < deadline
        ):
            time.sleep(0.01)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send the signal and return the exit code; kill the service, with exit code -9, if it does not end in time."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.wait_for_exit()

    def wait_for_exit(self) -> int:
        """Return the exit code without another signal, which could kill a process that is about to exit."""
        try:
            return self.process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            return self.process.wait()

    @property
    def has_left_processes(self) -> bool:
        """True while any process that it started is still running."""
        try:
            os.killpg(self.process.pid, 0)
        except ProcessLookupError:
            return False
        return True


@dataclass(frozen=True)
class Commands:
    """Runs programs from `folder`; unless a setting says otherwise, services stop without draining."""

    folder: Path

    def environment(self, settings: Mapping[str, str]) -> dict[str, str]:
        inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
        path = f"{self.folder}{os.pathsep}{os.environ['PATH']}"
        without_delay = {"PYTHONUNBUFFERED": "1", "SHUTDOWN_DRAIN_SECONDS": "0"}
        return {**inherited, "PATH": path, **without_delay, **settings}

    def run(self, project: Path, *command: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """Run the command to its end; `{port}` in it is replaced by a free port."""
        port = free_port() if "{port}" in str(command) else 0
        return subprocess.run(
            insert_port(port, command),
            cwd=project,
            env=self.environment(settings),
            capture_output=True,
            text=True,
            timeout=2 * START_TIMEOUT,
            check=False,
        )

    @contextmanager
    def serve(
        self, project: Path, *command: str, answers: str = "/health/live", port: str = "", **settings: str
    ) -> Iterator[Service]:
        """Run a service, by default with Hypercorn on a free port, and yield it when the path `answers` returns 200."""
        number = int(port) if port else free_port()
        with tempfile.TemporaryFile() as output:
            process = subprocess.Popen(
                insert_port(number, command or HYPERCORN),
                cwd=project,
                env=self.environment(settings),
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            service = Service(process, number, output)
            try:
                service.wait_for(answers)
                service.seconds_to_start = time.monotonic() - service.started
                service.wait_until_window_is_known()
                yield service
            finally:
                service.stop()
                service.http.close()


@pytest.fixture(name="commands", scope="session")
def _commands(project_environment: Path) -> Commands:
    return Commands(project_environment)


@pytest.fixture(name="probed_project", scope="session")
def _probed_project(generate: Generate) -> Path:
    """A project with routes below /probe: one that fails, one that builds URLs, and a websocket."""
    project = generate()
    add_controller(project, "probe")
    return project
