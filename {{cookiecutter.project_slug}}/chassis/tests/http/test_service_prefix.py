"""The prefix is not applied when the app is made for testing, so these make one for development."""

import pytest
from quart import url_for, websocket
from quart.typing import TestClientProtocol as Client

from chassis.app import ChassisApp
from chassis.config import ChassisConfig
from chassis.tests.sample.create_app import create_app


def _prefixed(app: ChassisApp, config: ChassisConfig, prefix: str) -> Client:
    database_url = config.SQLALCHEMY_DATABASE_URI
    prefixed = create_app(
        ChassisConfig.load(
            _env_file=None, APP_ENV="development", SQLALCHEMY_DATABASE_URI=database_url, SERVICE_PREFIX=prefix
        )
    )
    prefixed.container.database.override(app.container.database())

    @prefixed.get("/where")
    async def where() -> str:
        return url_for("health.live")

    @prefixed.websocket("/socket")
    async def socket() -> None:
        await websocket.accept()
        await websocket.send(websocket.path)

    return prefixed.test_client()


@pytest.mark.parametrize("prefix", ["example", "/example/", "//example"])
async def test_serves_under_the_prefix(app: ChassisApp, config: ChassisConfig, prefix: str) -> None:
    client = _prefixed(app, config, prefix)

    assert (await client.get("/example/health/live")).status_code == 200
    assert await (await client.get("/example/where")).get_data(as_text=True) == "/example/health/live"


async def test_a_prefix_may_have_several_segments(app: ChassisApp, config: ChassisConfig) -> None:
    client = _prefixed(app, config, "team/example")

    assert (await client.get("/team/example/health/live")).status_code == 200


@pytest.mark.parametrize("path", ["/health/live", "/examples/health/live", "/", "/exampl", "//example/health/live"])
async def test_does_not_serve_elsewhere(app: ChassisApp, config: ChassisConfig, path: str) -> None:
    response = await _prefixed(app, config, "example").get(path)

    assert response.status_code == 404
    assert response.mimetype == "text/plain"
    assert await response.get_data(as_text=True) == "This url does not belong to the app."


@pytest.mark.parametrize("path", ["/example", "/example/"])
async def test_the_prefix_itself_is_a_path_of_the_app(app: ChassisApp, config: ChassisConfig, path: str) -> None:
    response = await _prefixed(app, config, "example").get(path)

    assert (response.status_code, response.mimetype) == (404, "application/problem+json")


async def test_websockets_are_served_under_the_prefix(app: ChassisApp, config: ChassisConfig) -> None:
    async with _prefixed(app, config, "example").websocket("/example/socket") as socket:
        assert await socket.receive() == "/socket"


async def test_errors_and_openapi_name_the_whole_path(app: ChassisApp, config: ChassisConfig) -> None:
    client = _prefixed(app, config, "example")

    problem = await (await client.get("/example/nowhere")).get_json(force=True)
    openapi = await (await client.get("/example/openapi.json")).get_json()

    assert problem["instance"] == "/example/nowhere"
    assert openapi["servers"] == [{"url": "/example"}]


async def test_is_not_applied_to_an_app_made_for_testing(app: ChassisApp, config: ChassisConfig) -> None:
    testing = create_app(config.model_copy(update={"SERVICE_PREFIX": "/example"}))

    assert (await testing.test_client().get("/health/live")).status_code == 200
