"""Starting a service, refusing to start, running without the database, and stopping."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from socket import create_server
from subprocess import CompletedProcess

import pytest

from support.postgres import Postgres
from support.report import note
from support.service import HYPERCORN, UNREACHABLE, Commands, Service
from support.template import Generate

QUART = ("quart", "run", "--port", "{port}")
QUART_APP = ("quart", "--app", "src/app", "run", "--port", "{port}")
URI = "SQLALCHEMY_DATABASE_URI"
QUART_DEBUG = ("quart", "--debug")
REFUSED: list[tuple[tuple[str, ...], dict[str, str], list[str]]] = [
    (HYPERCORN, {}, [f"{URI} is not set", "postgresql://user:password@", "make run"]),
    (QUART, {}, [f"{URI} is not set"]),
    (QUART_APP, {}, [f"{URI} is not set"]),
    (HYPERCORN, {URI: "redis://me:hunter2@host/1"}, [URI, "redis://", "expected postgresql://"]),
    (HYPERCORN, {URI: "my hunter2"}, [f"{URI} is not a database URL"]),
    (HYPERCORN, {URI: UNREACHABLE, "LOG_LEVEL": "LOUD"}, ["LOG_LEVEL", "'DEBUG', 'INFO'"]),
    (QUART_APP, {URI: UNREACHABLE, "DATABASE_POOL_SIZE": "many"}, ["DATABASE_POOL_SIZE"]),
    (HYPERCORN, {URI: UNREACHABLE, "CORS_ORIGINS": "https://a.example/"}, ["CORS_ORIGINS", "'https://a.example/'"]),
    ((*QUART_DEBUG, "run", "--host", "::"), {URI: UNREACHABLE}, ["debug mode on ::"]),
    (HYPERCORN, {"LOG_LEVEL": "LOUD", "DATABASE_POOL_SIZE": "0"}, [URI, "LOG_LEVEL", "POOL_SIZE"]),
]


@pytest.fixture(name="refusals", scope="module")
def _refusals(project: Path, commands: Commands) -> list[CompletedProcess[str]]:
    """Run all at the same time, because each takes more than a second."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(lambda row: commands.run(project, *row[0], **row[1]), REFUSED))


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_stops_with_a_sentence_about_a_missing_or_wrong_setting(
    refusals: list[CompletedProcess[str]], number: int
) -> None:
    result = refusals[number]

    assert result.returncode == 1
    (sentence,) = result.stderr.splitlines()
    assert [word for word in REFUSED[number][2] if word not in sentence] == []
    assert "hunter2" not in result.stderr
    assert result.stdout == ""


def test_hypercorn_stops_with_the_name_of_a_misspelt_provider(generate: Generate, commands: Commands) -> None:
    project = generate()
    controller = project / "src" / "api" / "controllers" / "todo.py"
    source = controller.read_text(encoding="utf-8")
    controller.write_text(source.replace('Provide["todo_service"]', 'Provide["todo_servise"]'))

    result = commands.run(project, *HYPERCORN, SQLALCHEMY_DATABASE_URI=UNREACHABLE)

    assert result.returncode == 1
    (sentence,) = result.stderr.splitlines()
    assert "'todo_servise'" in sentence


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (
            "quart print_config > /dev/full",
            "Error: OSError: [Errno 28] No space left on device (LOG_LEVEL=DEBUG shows where)\n",
        ),
        # The loop writes until `true` has ended, which may take a moment.
        ('trap "" PIPE; { while printf .; do :; done 2>/dev/null; quart print_config; } | true', ""),
    ],
)
def test_does_not_blame_the_database_if_the_output_cannot_be_written(
    command: str, message: str, project: Path, commands: Commands
) -> None:
    script = f"{command}; exit ${{PIPESTATUS[0]}}"
    result = commands.run(project, "bash", "-c", script, SQLALCHEMY_DATABASE_URI=UNREACHABLE)

    assert (result.returncode, result.stderr) == (1, message)


@pytest.mark.parametrize("port", [None, "http", "70000"])
def test_make_run_names_a_port_that_it_cannot_use(port: str | None, generate: Generate, commands: Commands) -> None:
    project = generate()
    (project / ".venv").symlink_to(commands.folder.parent)

    with create_server(("127.0.0.1", 0)) as taken:
        port = port or str(taken.getsockname()[1])
        installed = "--assume-old=.venv/installed"
        result = commands.run(project, "make", installed, "run", f"PORT={port}")

    assert result.returncode != 0
    sentences = [line for line in result.stderr.splitlines() if not line.startswith("make")]
    assert len(sentences) == 1
    assert port in sentences[0]
    assert not (project / ".postgres").exists()


@pytest.mark.parametrize(
    ("command", "number"),
    [
        (HYPERCORN, signal.SIGINT),
        (HYPERCORN, signal.SIGTERM),
        (QUART, signal.SIGINT),
        (QUART_APP, signal.SIGTERM),
    ],
    ids=["hypercorn, SIGINT", "hypercorn, SIGTERM", "quart run", "quart --app run"],
)
def test_serves_until_a_signal_and_leaves_no_process(
    command: tuple[str, ...],
    number: signal.Signals,
    project: Path,
    commands: Commands,
    postgres: Postgres,
) -> None:
    uri = postgres.create_database()

    with commands.serve(project, *command, SQLALCHEMY_DATABASE_URI=uri) as service:
        created = service.http.post("/v1/todo", json={"title": "a"})
        note_start(" ".join(command[:-1]), service)
        code = service.stop(number)
        output = service.output

    assert created.status_code == 201
    assert (code, "Traceback" in output) == (0, False), output
    assert not service.has_left_processes


def note_start(server: str, service: Service) -> None:
    memory = service.resident_megabytes
    resident = "" if memory is None else f", {memory:.0f} MB resident after the first request"
    note(f"{server}: first answer {service.seconds_to_start:.1f} s after the start{resident}")


def test_starts_without_its_database_and_recovers(generate: Generate, commands: Commands) -> None:
    project = generate()
    started = commands.run(project, "python", "-m", "chassis.dev.postgres", "start")
    uri = started.stdout.partition("=")[2].strip().strip("'")
    try:
        upgraded = commands.run(project, "quart", "db", "upgrade", SQLALCHEMY_DATABASE_URI=uri)
        commands.run(project, "python", "-m", "chassis.dev.postgres", "stop")
        assert (started.returncode, upgraded.returncode) == (0, 0)

        with commands.serve(project, SQLALCHEMY_DATABASE_URI=uri) as service:
            for _ in range(2):  # first without connections, then with dead ones
                assert_alive_but_not_ready(service)
                commands.run(project, "python", "-m", "chassis.dev.postgres", "start")
                service.wait_for("/health/ready")
                service.wait_for("/v1/todo")  # a moment later, when it has read the maintenance state
                assert service.http.post("/v1/todo", json={"title": "a"}).status_code == 201
                commands.run(project, "python", "-m", "chassis.dev.postgres", "stop")
            assert_alive_but_not_ready(service)

            assert service.stop() == 0
    finally:
        commands.run(project, "python", "-m", "chassis.dev.postgres", "stop")


def assert_alive_but_not_ready(service: Service) -> None:
    live, ready = service.get("/health/live"), service.get("/health/ready")
    created = service.http.post("/v1/todo", json={"title": "a"})

    assert (live.status_code, ready.status_code, created.status_code) == (200, 503, 503)
    for response in (ready, created):
        assert response.headers["Content-Type"] == "application/problem+json"
        assert response.json()["error_message"] == response.json()["detail"] != ""
    assert "Traceback" not in service.output


@pytest.mark.parametrize(("old", "new"), [("/test_", "/no_such_database_"), ("postgres:", "nobody_of_that_name:")])
def test_is_not_ready_if_the_server_rejects_its_login(
    old: str, new: str, project: Path, commands: Commands, postgres: Postgres
) -> None:
    uri = postgres.create_database().replace("postgres@", "postgres:hunter2@").replace(old, new)

    with commands.serve(project, SQLALCHEMY_DATABASE_URI=uri) as service:
        assert_alive_but_not_ready(service)

        assert "hunter2" not in service.output
