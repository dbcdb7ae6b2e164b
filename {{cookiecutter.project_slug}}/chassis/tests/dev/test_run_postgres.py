"""`run_postgres.sh` runs with a stand-in for docker, and once with a real engine if there is one."""

import asyncio
import os
import shutil
import socket
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from dotenv import dotenv_values

from chassis.dev.postgres import ROOT, VARIABLE

URI = "postgresql+asyncpg://postgres:postgres@127.0.0.1:7150/postgres"

DOCKER = """#!/bin/sh
echo "$*" >>calls
case $1 in
container) exit ${CONTAINER_MISSING:-0} ;;
run) [ -z "${RUN_FAILS:-}" ] || { echo "$RUN_FAILS" >&2; exit 125; } ;;
port) echo 127.0.0.1:7150 ;;
esac
"""


@pytest.fixture(name="project")
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    project = tmp_path / "my project"
    (project / "scripts").mkdir(parents=True)
    shutil.copy(ROOT / "scripts" / "run_postgres.sh", project / "scripts")
    (project / ".env.development").write_text("A=1\n")
    docker = tmp_path / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text(DOCKER)
    docker.chmod(docker.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{docker.parent}:{os.environ['PATH']}")
    monkeypatch.delenv("POSTGRES_PORT", raising=False)
    return project


def run(project: Path) -> subprocess.CompletedProcess[str]:
    command = [str(project / "scripts" / "run_postgres.sh")]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, f"A=1\n{VARIABLE}={URI}\n"),
        ("A=1\n", f"A=1\n{VARIABLE}={URI}\n"),
        ("A=1", f"A=1\n{VARIABLE}={URI}\n"),
        (f"# {VARIABLE}=x\n", f"# {VARIABLE}=x\n{VARIABLE}={URI}\n"),
        (f"{VARIABLE}=\nB=2", f"{VARIABLE}={URI}\nB=2"),
        (f"A=1\n{VARIABLE} = ''\nB=2\n", f"A=1\n{VARIABLE}={URI}\nB=2\n"),
        (f"A=1\r\n{VARIABLE}=\r\nB=2\r\n", f"A=1\r\n{VARIABLE}={URI}\nB=2\r\n"),
        (f"{VARIABLE}={URI}\n", f"{VARIABLE}={URI}\n"),
        (f'export {VARIABLE}="{URI}"', f'export {VARIABLE}="{URI}"'),
        (f"{VARIABLE}=postgresql://mine\nA=1", f"{VARIABLE}=postgresql://mine\nA=1"),
    ],
)
def test_writes_the_uri_once_and_keeps_everything_else(project: Path, before: str | None, after: str) -> None:
    env = project / ".env"
    if before is not None:
        env.write_bytes(before.encode())

    results = [run(project), run(project)]

    assert [result.returncode for result in results] == [0, 0]
    assert env.read_bytes() == after.encode()


def test_reports_that_it_keeps_another_uri(project: Path) -> None:
    (project / ".env").write_text(f"{VARIABLE}=postgresql://mine\n")

    assert f"keeps its own {VARIABLE}; this one is {URI}" in run(project).stdout


def test_starts_an_existing_container(project: Path) -> None:
    run(project)

    calls = (project / "calls").read_text().splitlines()
    assert "start my-project-postgres" in calls
    assert not any(call.startswith("run ") for call in calls)


def test_creates_a_missing_container_that_only_this_machine_can_reach(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONTAINER_MISSING", "1")
    monkeypatch.setenv("POSTGRES_PORT", "7151")
    monkeypatch.setenv("POSTGRES_IMAGE", "postgres:17")

    run(project)

    (creation,) = [call for call in (project / "calls").read_text().splitlines() if call.startswith("run ")]
    assert "--name my-project-postgres --publish 127.0.0.1:7151:5432" in creation
    assert creation.endswith(" postgres:17")


def test_reports_a_port_that_is_in_use_in_one_sentence(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONTAINER_MISSING", "1")
    monkeypatch.setenv("RUN_FAILS", "docker: Error: Bind for 127.0.0.1:5432 failed: port is already allocated.")

    result = run(project)

    assert result.returncode == 1
    assert result.stderr.endswith("the port is in use: stop what listens there, or set POSTGRES_PORT\n")
    assert len(result.stderr.splitlines()) == 1
    assert not (project / ".env").exists()


def test_reports_a_missing_engine_in_one_sentence(project: Path, tmp_path: Path) -> None:
    (tmp_path / "bin" / "docker").write_text("#!/bin/sh\nexit 1\n")

    result = run(project)

    assert (result.returncode, len(result.stderr.splitlines())) == (1, 1)
    assert "No Docker engine answers" in result.stderr


@pytest.fixture(name="real_project")
def _real_project(project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project whose container a real engine creates; it is removed with its data at the end."""
    path = os.environ["PATH"].partition(":")[2]
    docker = shutil.which("docker", path=path)
    if os.environ.get("TEST_DATABASE", "container") != "container":
        pytest.skip("TEST_DATABASE IS NOT container: scripts/run_postgres.sh was not tried on a real engine")
    if not docker or subprocess.run([docker, "info"], capture_output=True, check=False).returncode:
        pytest.skip("NO DOCKER ENGINE ANSWERS: scripts/run_postgres.sh was not tried on a real one")
    real = project.rename(project.with_name(f"project-{uuid4().hex[:8]}"))
    monkeypatch.setenv("PATH", path)
    monkeypatch.setenv("POSTGRES_IMAGE", os.environ.get("TEST_POSTGRES_IMAGE", "postgres:18-alpine"))
    with socket.create_server(("127.0.0.1", 0)) as free:
        monkeypatch.setenv("POSTGRES_PORT", str(free.getsockname()[1]))
    yield real
    remove_container(real)
    subprocess.run([docker, "volume", "rm", "--force", f"{real.name}-postgres"], capture_output=True, check=True)


def remove_container(project: Path) -> None:
    docker = shutil.which("docker") or "docker"
    command = [docker, "rm", "--force", "--volumes", f"{project.name}-postgres"]
    subprocess.run(command, capture_output=True, check=True)


def execute(uri: str, statement: str) -> None:
    async def run() -> None:
        connection = await asyncpg.connect(uri.replace("+asyncpg", ""))
        await connection.execute(statement)
        await connection.close()

    asyncio.run(run())


def test_a_new_container_finds_the_data_of_the_old_one(real_project: Path) -> None:
    first = run(real_project)
    assert first.returncode == 0, first.stderr
    uri = dotenv_values(real_project / ".env")[VARIABLE] or ""
    execute(uri, "CREATE TABLE kept ()")

    remove_container(real_project)
    second = run(real_project)

    assert second.returncode == 0, second.stderr
    execute(uri, "SELECT FROM kept")
