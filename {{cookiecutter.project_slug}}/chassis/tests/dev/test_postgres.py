import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psutil  # type: ignore[import-untyped]
import pytest
from sqlalchemy import make_url

from chassis.dev.postgres import ROOT, VARIABLE, PostgresServer, temporary_server

PRINT_URI = (sys.executable, "-c", f"import os; print(os.environ['{VARIABLE}'], flush=True)")

# Prints `ready` and waits; on a signal it connects to the database, which must still answer, and ends.
WAIT = """
import os, signal, socket, sys, time
from sqlalchemy import make_url

def end(*_):
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the signal may arrive twice
    query = make_url(os.environ["SQLALCHEMY_DATABASE_URI"]).query
    socket.socket(socket.AF_UNIX).connect(query["host"] + "/.s.PGSQL." + query["port"])
    os.write(1, b"ended with a database\\n")  # print is not reentrant, and may still be running
    sys.exit(5)

signal.signal(signal.SIGINT, end)
signal.signal(signal.SIGTERM, end)
print("ready", flush=True)
while True:
    time.sleep(0.05)
"""


def copy_package(project: Path) -> None:
    """Copy the modules that `chassis.dev.postgres` needs, and nothing of the service."""
    ignored = shutil.ignore_patterns("__pycache__", "testing")
    for name in ("dev", "cli", "domain", "runtime"):
        shutil.copytree(ROOT / "chassis" / name, project / "chassis" / name, ignore=ignored)


@pytest.fixture(scope="module", name="project")
def _project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project without a service; its server is stopped at the end."""
    project = tmp_path_factory.mktemp("project")
    copy_package(project)
    yield project
    PostgresServer(project / ".postgres").stop()


@pytest.fixture(scope="module", name="server")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    server = PostgresServer(tmp_path_factory.mktemp("server"), durable=False)
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def _unconfigured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)


def run_postgres(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "chassis.dev.postgres", *arguments]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, check=False, timeout=120)


def start_process(project: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start it in a process group of its own, as a terminal does."""
    return subprocess.Popen(
        [sys.executable, "-m", "chassis.dev.postgres", *arguments],
        cwd=project,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def execute(uri: str, statement: str) -> None:
    async def run() -> None:
        connection = await asyncpg.connect(uri.replace("+asyncpg", ""))
        await connection.execute(statement)
        await connection.close()

    asyncio.run(run())


def pid_of(server: PostgresServer) -> int:
    return int((server.data / "postmaster.pid").read_text().split()[0])


def test_start_and_stop_can_be_repeated(project: Path) -> None:
    first, second = run_postgres(project, "start"), run_postgres(project, "start")
    running = run_postgres(project, "status")
    stops = run_postgres(project, "stop"), run_postgres(project, "stop")
    stopped = run_postgres(project, "status")

    assert first.stdout.startswith(f"export {VARIABLE}='postgresql+asyncpg://")
    assert second.stdout == first.stdout
    assert [first.returncode, second.returncode, *(stop.returncode for stop in stops)] == [0, 0, 0, 0]
    assert (running.returncode, stopped.returncode) == (0, 3)


def test_keeps_the_data_across_a_restart(server: PostgresServer) -> None:
    server.start()
    execute(server.uri, "CREATE TABLE kept ()")

    server.stop()
    server.start()

    execute(server.uri, "SELECT FROM kept")


def test_starts_again_after_the_server_was_killed(server: PostgresServer) -> None:
    server.start()
    killed = psutil.Process(pid_of(server))
    family = [killed, *killed.children()]
    killed.kill()
    psutil.wait_procs(family, timeout=60)

    assert not server.running
    server.start()

    execute(server.uri, "SELECT 1")


def test_ignores_a_pid_file_that_names_another_program(server: PostgresServer) -> None:
    server.start()
    content = (server.data / "postmaster.pid").read_text()
    pid = str(pid_of(server))
    server.stop()

    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        (server.data / "postmaster.pid").write_text(content.replace(pid, str(other.pid), 1))
        assert not server.running
        server.stop()
        server.start()
        assert other.poll() is None
        other.kill()

    execute(server.uri, "SELECT 1")


@pytest.mark.parametrize("name", ["a b, ü", "long/" * 25], ids=["odd", "long"])
def test_runs_below_any_path(tmp_path: Path, name: str) -> None:
    server = PostgresServer(tmp_path / name, durable=False)

    with server.started():
        socket = Path(str(make_url(server.uri).query["host"]))
        execute(server.uri, "SELECT 1")

    assert not server.running
    assert not socket.exists()


def test_temporary_servers_run_side_by_side_and_leave_nothing() -> None:
    with temporary_server() as one, temporary_server() as other:
        execute(one, "CREATE TABLE mine ()")
        execute(other, "CREATE TABLE mine ()")
        directories = [Path(str(make_url(uri).query["host"])).parent for uri in (one, other)]

    assert not any(directory.exists() for directory in directories)


def test_refuses_data_of_another_version_in_one_sentence(project: Path) -> None:
    run_postgres(project, "start")
    run_postgres(project, "stop")
    version = project / ".postgres" / "data" / "PG_VERSION"
    content = version.read_text()
    version.write_text("9\n")

    result = run_postgres(project, "start")
    version.write_text(content)

    assert result.returncode == 1
    assert "database files are incompatible with server" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_run_returns_the_exit_code_and_stops_the_server(project: Path) -> None:
    result = run_postgres(project, "run", "--", sys.executable, "-c", "raise SystemExit(7)")

    assert result.returncode == 7
    assert run_postgres(project, "status").returncode == 3


def test_run_does_not_stop_a_server_that_was_running_before(project: Path) -> None:
    run_postgres(project, "start")

    result = run_postgres(project, "run", "--", *PRINT_URI)

    assert result.stdout.startswith("postgresql+asyncpg://")
    assert run_postgres(project, "status").returncode == 0
    run_postgres(project, "stop")


@pytest.mark.parametrize("place", ["environment", ".env"])
def test_run_uses_the_configured_database_and_starts_no_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    copy_package(tmp_path)
    if place == ".env":
        (tmp_path / ".env").write_text(f"{VARIABLE}=postgresql://configured/database\n")
    monkeypatch.setenv(VARIABLE, "" if place == ".env" else "postgresql://configured/database")

    result = run_postgres(tmp_path, "run", "--", *PRINT_URI)

    assert result.stdout == "postgresql://configured/database\n"
    assert not (tmp_path / ".postgres").exists()


@pytest.mark.parametrize(("number", "whom"), [(signal.SIGINT, "group"), (signal.SIGTERM, "process")])
def test_a_signal_ends_the_command_first_and_then_the_database(
    project: Path, number: signal.Signals, whom: str
) -> None:
    with start_process(project, "run", "--", sys.executable, "-c", WAIT) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"

        (os.killpg if whom == "group" else os.kill)(process.pid, number)
        output, errors = process.communicate(timeout=120)

    assert output == "ended with a database\n", errors
    assert process.returncode == 5
    assert "Traceback" not in errors
    assert not PostgresServer(project / ".postgres").running


def test_a_temporary_server_stops_when_its_owner_is_killed(project: Path) -> None:
    with start_process(project, "temporary", "--", *PRINT_URI[:2], f"{PRINT_URI[2]}; input()") as process:
        assert process.stdout
        directory = Path(str(make_url(process.stdout.readline()).query["host"])).parent
        process.kill()

    deadline = time.monotonic() + 60
    while directory.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not directory.exists()
