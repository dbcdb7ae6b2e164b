"""A refusal by middleware has the CORS headers that a response of a view has."""

from collections.abc import AsyncIterator

import pytest
from quart.testing.connections import WebsocketResponseError

from chassis.app import ChassisApp
from chassis.config import ChassisConfig
from chassis.maintenance.service_context import ServiceContext
from chassis.tests.sample.create_app import create_app
from chassis.tests.security.asgi_client import HOST, Answer, ask

ALLOWED = "https://app.example.com"
NAMES = ("access-control-allow-origin", "access-control-expose-headers", "access-control-allow-credentials", "vary")


@pytest.fixture(name="app_for")
async def _app_for(app: ChassisApp, config: ChassisConfig) -> AsyncIterator[object]:
    def create(*origins: str) -> ChassisApp:
        settings = {"APP_ENV": "development", "SERVICE_PREFIX": "/example", "CORS_ORIGINS": origins}
        other = create_app(config.model_copy(update=settings))
        other.container.database.override(app.container.database())
        return other

    yield create
    app.wire()


@pytest.mark.parametrize("origins", [(), ("*",), (ALLOWED,), (ALLOWED, "https://other.example"), (ALLOWED, "*")])
@pytest.mark.parametrize("origin", [None, "null", ALLOWED, "https://evil.example", "", "*"])
async def test_every_refusal_answers_an_origin_in_the_same_way(
    app_for: object, origins: tuple[str, ...], origin: str | None
) -> None:
    app: ChassisApp = app_for(*origins)  # type: ignore[operator]
    sent = [] if origin is None else [(b"origin", origin.encode())]

    async def headers_of(path: str, status: int, host: bytes = b"localhost") -> dict[str, str]:
        answer = await ask(app, "GET", path, [(b"host", host), *sent])
        assert answer.status == status
        return {name: answer.headers[name] for name in NAMES if name in answer.headers}

    served = await headers_of("/example/health/live", 200)
    refused = [
        await headers_of("/example/nowhere", 404),
        await headers_of("/example//health/live", 404),
        await headers_of("/elsewhere", 404),
        await headers_of("/example/health/live", 400, host=b"a b"),
    ]
    await app.container.maintenance_state().apply_change(ServiceContext(maintenance=True, version=1))
    refused.append(await headers_of("/example/nowhere", 503))

    assert refused == [served] * len(refused)
    assert served.get("access-control-allow-origin") == _expected(origins, origin)
    assert "access-control-allow-credentials" not in served


@pytest.mark.parametrize("origin", [None, "null", "https://evil.example", ALLOWED])
async def test_a_websocket_of_another_origin_is_refused(app_for: object, origin: str | None) -> None:
    app: ChassisApp = app_for(ALLOWED)  # type: ignore[operator]
    app.wire()
    headers = {"Host": "localhost"} if origin is None else {"Host": "localhost", "Origin": origin}

    async def connect() -> object:
        async with app.test_client().websocket("/example/window", headers=headers) as websocket:
            return await websocket.receive_json()

    if origin == ALLOWED:
        assert await connect() == {"active": False}
        return
    with pytest.raises(WebsocketResponseError) as refused:
        await connect()
    assert refused.value.response.status_code == 400


async def test_a_body_over_the_limit_is_refused_with_the_headers(app_for: object) -> None:
    app: ChassisApp = app_for("*")  # type: ignore[operator]
    headers = [*HOST, (b"origin", b"null"), (b"content-length", b"2000000")]
    headers.append((b"content-type", b"application/json"))

    answer: Answer = await ask(app, "POST", "/example/echo", headers)

    assert (answer.status, answer.headers["access-control-allow-origin"]) == (413, "*")


def _expected(origins: tuple[str, ...], origin: str | None) -> str | None:
    if not origin:
        return None
    if "*" in origins:
        return "*"
    return origin if origin in origins else None
