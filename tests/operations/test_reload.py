"""`make dev`: a saved file is served at once, a mistake in it is waited out, and Ctrl-C ends everything."""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from support.applications import CONTROLLERS
from support.postgres import Postgres
from support.report import note
from support.service import Commands, Service
from support.template import Generate
from support.waiting import wait_until

SECONDS = 30.0  # on a busy machine; the page promises one second on a machine that is idle
VIEW = """

@blueprint.get("/saved")
async def saved() -> dict[str, str]:
    return {"text": "%s"}
"""


@pytest.fixture(name="developed", scope="module")
def _developed(generate: Generate, commands: Commands) -> Path:
    project = generate()
    (project / ".venv").symlink_to(commands.folder.parent)
    return project


@pytest.fixture(name="service", scope="module")
def _service(developed: Path, commands: Commands, postgres: Postgres) -> Iterator[Service]:
    make = ("make", "--assume-old=.venv/installed", "dev", "PORT={port}")
    with commands.serve(developed, *make, SQLALCHEMY_DATABASE_URI=postgres.create_database()) as service:
        yield service


def wait_for_text(service: Service, path: str, text: str) -> float:
    """Wait until the answer contains the text, and return the number of seconds."""

    def is_served() -> bool:
        with suppress(httpx.TransportError):  # a connection that the previous process is about to close
            return text in service.get(path, {"Connection": "close"}).text
        return False

    return wait_until(is_served, SECONDS)


def test_serves_what_is_saved_and_waits_out_a_syntax_error(developed: Path, service: Service) -> None:
    controller = developed / CONTROLLERS / "todo.py"
    source = controller.read_text(encoding="utf-8")
    service.get("/health/live")  # leaves a connection that is kept alive

    seconds = []
    for text in ("one", "two", "six"):  # of the same size, within a second
        controller.write_text(source + VIEW % text, encoding="utf-8")
        seconds.append(wait_for_text(service, "/v1/saved", text))
    controller.write_text("def broken(:\n", encoding="utf-8")
    wait_until(lambda: "It starts again as soon as a file is saved." in service.output, SECONDS)
    controller.write_text(source + VIEW % "mended", encoding="utf-8")
    wait_for_text(service, "/v1/saved", "mended")

    assert "SyntaxError" in service.output
    note(f"make dev: served {min(seconds):.1f} s after the save")


def test_reads_the_settings_again_and_keeps_the_maintenance_window(developed: Path, service: Service) -> None:
    service.http.patch("/v1/service-context", json={"maintenance": True})
    with (developed / ".env").open("a", encoding="utf-8") as settings:
        settings.write("SERVICE_NAME=renamed\nMAINTENANCE_RETRY_AFTER=77\n")

    wait_until(lambda: service.get("/v1/todo", {"Connection": "close"}).headers.get("Retry-After") == "77", SECONDS)
    refused = service.get("/v1/todo")
    service.http.patch("/v1/service-context", json={"maintenance": False})

    assert (refused.status_code, refused.headers["X-Maintenance-Mode"]) == (503, "1")
    wait_for_text(service, "/openapi.json", "renamed")


def test_ctrl_c_ends_all_processes_as_with_make_run(service: Service) -> None:
    os.killpg(service.process.pid, signal.SIGINT)

    assert service.wait_for_exit() == -signal.SIGINT
    wait_until(lambda: not service.has_left_processes, SECONDS)
    assert service.output.count("Traceback") == 1  # of the syntax error
