"""An application that is made for testing ignores the prefix, so these tests make one for development."""

import pytest
from quart import url_for, websocket
from quart.typing import TestClientProtocol as Client

from chassis.app import ChassisApp
from chassis.config import ChassisConfig
from chassis.tests.sample.create_app import create_app


def _create_client(app: ChassisApp, config: ChassisConfig, prefix: str) -> Client:
    database_url = config.SQLALCHEMY_DATABASE_URI
    prefixed_app = create_app(
        ChassisConfig.load(
            _env_file=None, APP_ENV="development", SQLALCHEMY_DATABASE_URI=database_url, SERVICE_PREFIX=prefix
        )
    )
    prefixed_app.container.database.override(app.container.database())

    @prefixed_app.get("/url")
    async def url() -> str:
        return url_for("health.live")

    @prefixed_app.websocket("/socket")
    async def socket() -> None:
        await websocket.accept()
        await websocket.send(websocket.path)

    return prefixed_app.test_client()


@pytest.mark.parametrize("prefix", ["example", "/example/", "//example"])
async def test_serves_below_the_prefix(app: ChassisApp, config: ChassisConfig, prefix: str) -> None:
    client = _create_client(app, config, prefix)

    assert (await client.get("/example/health/live")).status_code == 200
    assert await (await client.get("/example/url")).get_data(as_text=True) == "/example/health/live"


async def test_serves_below_a_prefix_of_several_segments(app: ChassisApp, config: ChassisConfig) -> None:
    client = _create_client(app, config, "team/example")

    assert (await client.get("/team/example/health/live")).status_code == 200


@pytest.mark.parametrize("path", ["/health/live", "/examples/health/live", "/", "/exampl", "//example/health/live"])
async def test_refuses_a_path_outside_the_prefix(app: ChassisApp, config: ChassisConfig, path: str) -> None:
    response = await _create_client(app, config, "example").get(path)

    assert response.status_code == 404
    assert response.mimetype == "text/plain"
    assert await response.get_data(as_text=True) == "This url does not belong to the app."


@pytest.mark.parametrize("path", ["/example", "/example/"])
async def test_treats_the_prefix_alone_as_a_path_of_the_service(
    app: ChassisApp, config: ChassisConfig, path: str
) -> None:
    response = await _create_client(app, config, "example").get(path)

    assert (response.status_code, response.mimetype) == (404, "application/problem+json")


async def test_serves_websockets_below_the_prefix(app: ChassisApp, config: ChassisConfig) -> None:
    async with _create_client(app, config, "example").websocket("/example/socket") as socket:
        assert await socket.receive() == "/socket"


async def test_includes_the_prefix_in_errors_and_in_openapi(app: ChassisApp, config: ChassisConfig) -> None:
    client = _create_client(app, config, "example")

    problem = await (await client.get("/example/nowhere")).get_json(force=True)
    openapi = await (await client.get("/example/openapi.json")).get_json()

    assert problem["instance"] == "/example/nowhere"
    assert openapi["servers"] == [{"url": "/example"}]


async def test_ignores_the_prefix_in_an_application_for_testing(app: ChassisApp, config: ChassisConfig) -> None:
    testing = create_app(config.model_copy(update={"SERVICE_PREFIX": "/example"}))

    assert (await testing.test_client().get("/health/live")).status_code == 200
