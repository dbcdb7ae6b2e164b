"""The id of each request and its line in the log."""

import json

import pytest
from quart import websocket
from quart.typing import TestClientProtocol as Client
from structlog.contextvars import bind_contextvars

from chassis.app import ChassisApp
from chassis.config import ChassisConfig
from chassis.tests.sample.create_app import create_app


@pytest.fixture(name="logging_app")
def _logging_app(app: ChassisApp, config: ChassisConfig, capsys: pytest.CaptureFixture[str]) -> ChassisApp:
    """An application with a prefix whose log lines are JSON; `capsys` captures them."""
    settings = {"APP_ENV": "development", "SERVICE_PREFIX": "example", "LOG_FORMAT": "json", "LOG_LEVEL": "INFO"}
    logging_app = create_app(
        ChassisConfig.load(_env_file=None, SQLALCHEMY_DATABASE_URI=config.SQLALCHEMY_DATABASE_URI, **settings)
    )
    logging_app.container.database.override(app.container.database())

    @logging_app.websocket("/socket")
    async def socket() -> None:
        await websocket.send(await websocket.receive())

    return logging_app


def _read_lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    return [line for line in lines if line["logger"] == "access"]


async def test_keeps_the_request_id_of_the_caller(client: Client) -> None:
    response = await client.get("/health/live", headers={"X-Request-ID": "abc-1"})

    assert response.headers.getlist("X-Request-ID") == ["abc-1"]


@pytest.mark.parametrize("request_id", ["", "a b", "x" * 129, "é"])
async def test_replaces_a_request_id_that_cannot_be_logged(client: Client, request_id: str) -> None:
    response = await client.get("/health/live", headers={"X-Request-ID": request_id})

    assert len(response.headers["X-Request-ID"]) == 32


@pytest.mark.parametrize(
    ("path", "status"), [("/example/health/live", 200), ("/example/nowhere?secret=1", 404), ("/elsewhere", 404)]
)
async def test_logs_a_line_for_every_request(
    logging_app: ChassisApp, path: str, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    response = await logging_app.test_client().get(path, headers={"X-Request-ID": "abc-1"})

    assert (response.status_code, response.headers["X-Request-ID"]) == (status, "abc-1")
    (line,) = _read_lines(capsys)
    expected = {
        "event": "request",
        "level": "info",
        "request_id": "abc-1",
        "method": "GET",
        "path": path.partition("?")[0],
        "status": status,
    }
    assert expected.items() <= line.items()
    assert set(line) - set(expected) == {"client", "logger", "milliseconds", "timestamp"}
    assert isinstance(line["milliseconds"], float)


async def test_logs_a_line_for_a_request_that_the_gate_refuses(
    logging_app: ChassisApp, capsys: pytest.CaptureFixture[str]
) -> None:
    logging_app.container.maintenance_state().start_watching()  # the gate is closed until the database has answered

    response = await logging_app.test_client().get("/example/nowhere")

    assert response.status_code == 503
    (line,) = _read_lines(capsys)
    assert (line["status"], line["request_id"]) == (503, response.headers["X-Request-ID"])


async def test_logs_a_line_for_a_websocket(logging_app: ChassisApp, capsys: pytest.CaptureFixture[str]) -> None:
    async with logging_app.test_client().websocket("/example/socket", headers={"X-Request-ID": "abc-1"}) as socket:
        await socket.send("hello")
        assert await socket.receive() == "hello"

    (line,) = _read_lines(capsys)
    assert (line["method"], line["path"], line["status"]) == ("GET", "/example/socket", 101)
    assert line["request_id"] == "abc-1"


async def test_logs_no_lines_for_requests_if_a_setting_says_so(
    config: ChassisConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    silent_app = create_app(config.model_copy(update={"ACCESS_LOG": False, "LOG_LEVEL": "INFO"}))

    response = await silent_app.test_client().get("/health/live")

    output = capsys.readouterr().err
    assert response.headers["X-Request-ID"] not in output
    assert "/health/live" not in output


async def test_the_line_has_what_a_view_has_bound(logging_app: ChassisApp, capsys: pytest.CaptureFixture[str]) -> None:
    @logging_app.get("/bound")
    async def view() -> str:
        bind_contextvars(tenant="Acme")
        return ""

    for path in ("/example/bound", "/example/health/live"):
        await logging_app.test_client().get(path)

    assert [line.get("tenant") for line in _read_lines(capsys)] == ["Acme", None]
