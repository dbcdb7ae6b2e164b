"""Ids and lines of requests; what a whole service writes is tested where one runs."""

import json

import pytest
from quart import websocket
from quart.typing import TestClientProtocol as Client

from chassis.app import ChassisApp
from chassis.config import ChassisConfig
from chassis.tests.sample.create_app import create_app


@pytest.fixture(name="logged")
def _logged(app: ChassisApp, config: ChassisConfig, capsys: pytest.CaptureFixture[str]) -> ChassisApp:
    """An application that writes JSON to where `capsys` reads, under a prefix."""
    settings = {"APP_ENV": "development", "SERVICE_PREFIX": "example", "LOG_FORMAT": "json", "LOG_LEVEL": "INFO"}
    logged = create_app(
        ChassisConfig.load(_env_file=None, SQLALCHEMY_DATABASE_URI=config.SQLALCHEMY_DATABASE_URI, **settings)
    )
    logged.container.database.override(app.container.database())

    @logged.websocket("/socket")
    async def socket() -> None:
        await websocket.send(await websocket.receive())

    return logged


def _lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    return [line for line in lines if line["logger"] == "access"]


async def test_a_request_id_is_taken_over(client: Client) -> None:
    response = await client.get("/health/live", headers={"X-Request-ID": "abc-1"})

    assert response.headers.getlist("X-Request-ID") == ["abc-1"]


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, "é"])
async def test_a_request_id_that_cannot_be_logged_is_replaced(client: Client, given: str) -> None:
    response = await client.get("/health/live", headers={"X-Request-ID": given})

    assert len(response.headers["X-Request-ID"]) == 32


@pytest.mark.parametrize(
    ("path", "status"), [("/example/health/live", 200), ("/example/nowhere?secret=1", 404), ("/elsewhere", 404)]
)
async def test_every_request_has_a_line(
    logged: ChassisApp, path: str, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    response = await logged.test_client().get(path, headers={"X-Request-ID": "abc-1"})

    assert (response.status_code, response.headers["X-Request-ID"]) == (status, "abc-1")
    (line,) = _lines(capsys)
    wanted = {
        "event": "request",
        "level": "info",
        "request_id": "abc-1",
        "method": "GET",
        "path": path.partition("?")[0],
        "status": status,
    }
    assert wanted.items() <= line.items()
    assert set(line) - set(wanted) == {"logger", "milliseconds", "timestamp"}
    assert isinstance(line["milliseconds"], float)


async def test_a_request_that_is_refused_for_maintenance_has_a_line(
    logged: ChassisApp, capsys: pytest.CaptureFixture[str]
) -> None:
    logged.container.maintenance_state().start_watching()  # and nobody has read the database yet

    response = await logged.test_client().get("/example/nowhere")

    assert response.status_code == 503
    (line,) = _lines(capsys)
    assert (line["status"], line["request_id"]) == (503, response.headers["X-Request-ID"])


async def test_a_websocket_has_a_line_and_an_id(logged: ChassisApp, capsys: pytest.CaptureFixture[str]) -> None:
    async with logged.test_client().websocket("/example/socket", headers={"X-Request-ID": "abc-1"}) as socket:
        await socket.send("hello")
        assert await socket.receive() == "hello"

    (line,) = _lines(capsys)
    assert (line["method"], line["path"], line["status"]) == ("GET", "/example/socket", 101)
    assert line["request_id"] == "abc-1"


async def test_lines_of_requests_can_be_switched_off(config: ChassisConfig, capsys: pytest.CaptureFixture[str]) -> None:
    silent = create_app(config.model_copy(update={"ACCESS_LOG": False, "LOG_LEVEL": "INFO"}))

    response = await silent.test_client().get("/health/live")

    written = capsys.readouterr().err
    assert response.headers["X-Request-ID"] not in written
    assert "/health/live" not in written
