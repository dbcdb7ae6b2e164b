"""A rolling restart of three instances behind a proxy fails no request."""

import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from support.containers import skip_or_fail
from support.database_server import Database
from support.instances import Call
from support.load import Load
from support.nightly import NIGHTLY
from support.pages import blocks
from support.ports import free_port
from support.postgres import Postgres
from support.report import note
from support.service import Commands, Service
from support.template import ROOT
from support.waiting import wait_until

pytestmark = pytest.mark.alone

PAGE = ROOT / "docs" / "shutdown.md"
CALLS: list[Call] = [("GET", "/v1/todo", None), ("POST", "/v1/todo", {"title": "a"})]


def configuration(instances: list[int], front: int) -> str:
    """The configuration that the page shows, with free ports of this machine."""
    (text,) = (block.text for block in blocks(PAGE) if block.language == "haproxy")
    for shown, port in zip((7001, 7002, 7003), instances, strict=True):
        text = text.replace(f"127.0.0.1:{shown}", f"127.0.0.1:{port}")
    return text.replace("bind :8000", f"bind 127.0.0.1:{front}")


@contextmanager
def run_haproxy(instances: list[int], front: int, folder: Path) -> Iterator[None]:
    program = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")
    if program is None:
        skip_or_fail("NO HAPROXY HERE: a rolling restart is not tested")
    file = folder / "haproxy.cfg"
    file.write_text(configuration(instances, front), encoding="utf-8")
    with subprocess.Popen([str(program), "-db", "-f", str(file)]) as process:
        try:
            yield
        finally:
            process.terminate()


def is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health/ready", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def test_a_rolling_restart_fails_no_request(
    project: Path, commands: Commands, postgres: Postgres, tmp_path: Path
) -> None:
    uri, ports, front = postgres.create_database(), [free_port() for _ in range(3)], free_port()

    def start(port: int) -> Service:
        settings = {"SQLALCHEMY_DATABASE_URI": uri, "SHUTDOWN_DRAIN_SECONDS": ""}  # the default
        return stack.enter_context(commands.serve(project, answers="/health/ready", port=str(port), **settings))

    with ExitStack() as stack, ThreadPoolExecutor(3) as pool:
        services = list(pool.map(start, ports))
        with run_haproxy(ports, front, tmp_path):
            wait_until(lambda: is_ready(f"http://127.0.0.1:{front}"))
            with Load.run([front] * 20, CALLS, per_second=100) as load:  # raises if a connection breaks
                for number in range(3 if NIGHTLY else 2):
                    # All of them get requests from the proxy.
                    wait_until(lambda: all("/v1/todo" in service.output for service in services))
                    assert services[number].stop() == 0
                    services[number] = start(ports[number])

    statuses = Counter(sample.status for sample in load.samples)
    assert set(statuses) == {200, 201}
    assert Database(commands, uri).query("SELECT count(*) FROM todo") == str(statuses[201])
    asked = f"{statuses.total()} requests, {statuses[201]} of them POST"
    note(f"rolling restart of 3 instances behind HAProxy: {asked}, all served")
