"""Processes that the benchmark starts: servers, proxies and clients."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from socket import create_connection, create_server

from benchmarks.cpu import family
from benchmarks.load import Load, Measured

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
START_SECONDS = 60.0


def free_port() -> int:
    with create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


@contextmanager
def run_process(command: Sequence[str], folder: Path, log: Path, settings: Mapping[str, str]) -> Iterator[int]:
    """Run a program inside the block, and give its process id; its output goes to the log."""
    path = os.pathsep.join([str(BIN), os.environ["PATH"], "/usr/sbin"])
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, "PATH": path, **settings},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for_port(port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        with suppress(OSError), create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.005)
    sys.exit(f"Nothing listens on port {port}: {log.read_text(encoding='utf-8')}")


def run_load(load: Load) -> Measured:
    """Send requests from another process."""
    command = [sys.executable, "-m", "benchmarks.load", json.dumps(asdict(load))]
    result = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    if result.returncode:
        sys.exit("The benchmark has stopped.")
    return Measured(**json.loads(result.stdout))


def resident_mebibytes(pid: int) -> float:
    pages = [int(Path(f"/proc/{member}/statm").read_text(encoding="ascii").split()[1]) for member in family(pid)]
    return sum(pages) * os.sysconf("SC_PAGE_SIZE") / 2**20
