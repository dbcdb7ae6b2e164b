"""One check guards every view that is not public, and the OpenAPI document says so."""

from collections.abc import Iterator

import pytest
from quart.testing.connections import WebsocketResponseError
from quart.typing import TestClientProtocol as Client
from quart.wrappers.base import BaseRequestWebsocket
from quart_schema import APIKeySecurityScheme

from chassis.app import ChassisApp
from chassis.config import ChassisConfig
from chassis.domain.exceptions import ForbiddenError, UnauthenticatedError
from chassis.http.authentication import require_authentication
from chassis.http.cors import register_cors
from chassis.tests.sample.create_app import create_app

ORIGIN = "https://app.example.com"
PUBLIC = {"/health/live", "/health/ready", "/v1/service-context", "/docs", "/docs/start.js", "/openapi.json"}


async def _check(call: BaseRequestWebsocket) -> None:
    key = call.headers.get("X-API-Key")
    if key is None:
        raise UnauthenticatedError("Send a key.")
    if key != "right":
        raise ForbiddenError("This key is not allowed here.")


@pytest.fixture(name="guarded")
def _guarded(app: ChassisApp, config: ChassisConfig) -> Iterator[ChassisApp]:
    guarded = create_app(config)
    guarded.container.database.override(app.container.database())
    guarded.container.probe_database.override(app.container.database())
    require_authentication(guarded, {"key": APIKeySecurityScheme(in_="header", name="X-API-Key")}, _check)
    register_cors(guarded, [ORIGIN], ["X-API-Key"])
    yield guarded
    app.wire()


@pytest.fixture(name="stranger")
def _stranger(guarded: ChassisApp) -> Client:
    return guarded.test_client()


async def test_refuses_strangers_at_every_view_that_is_not_public(guarded: ChassisApp, stranger: Client) -> None:
    answers = {
        rule.rule: (await getattr(stranger, method.lower())(rule.rule)).status_code
        for rule in guarded.url_map.iter_rules()
        if not rule.arguments and not rule.websocket
        for method in (rule.methods or set()) - {"OPTIONS"}
        if rule.rule not in PUBLIC
    }

    assert len(answers) >= 4
    assert set(answers.values()) == {401}


@pytest.mark.parametrize("path", sorted(PUBLIC | {"/docs/assets/swagger-ui.css"}))
async def test_answers_strangers_at_public_views(path: str, stranger: Client) -> None:
    assert (await stranger.get(path)).status_code == 200


async def test_answers_404_at_an_unknown_path(stranger: Client) -> None:
    assert (await stranger.get("/nowhere")).status_code == 404


@pytest.mark.parametrize(("key", "status"), [("right", 200), ("wrong", 403)])
async def test_asks_the_check(key: str, status: int, stranger: Client) -> None:
    response = await stranger.post("/echo", json={}, headers={"X-API-Key": key})

    assert response.status_code == status


async def test_refuses_a_websocket_before_it_is_accepted(stranger: Client) -> None:
    with pytest.raises(WebsocketResponseError) as refused:
        async with stranger.websocket("/window", headers={"Origin": ORIGIN}) as websocket:
            await websocket.receive()
    assert refused.value.response.status_code == 401

    async with stranger.websocket("/window", headers={"Origin": ORIGIN, "X-API-Key": "right"}) as websocket:
        assert await websocket.receive_json() == {"active": False}


async def test_a_browser_may_ask_for_permission_to_send_the_header(stranger: Client) -> None:
    headers = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
    headers["Access-Control-Request-Headers"] = "X-API-Key"
    response = await stranger.options("/echo", headers=headers)

    assert response.status_code == 200
    assert response.headers["Access-Control-Allow-Headers"].lower() == "x-api-key"


async def test_documents_the_scheme_at_every_view_that_is_not_public(stranger: Client) -> None:
    document = await (await stranger.get("/openapi.json")).get_json()

    operations = [(path, *each) for path, item in document["paths"].items() for each in item.items()]
    secured = {(path, method): operation.get("security") for path, method, operation in operations}
    assert document["components"]["securitySchemes"]["key"] == {"type": "apiKey", "in": "header", "name": "X-API-Key"}
    assert secured.pop(("/v1/service-context", "patch")) == [{"maintenance": []}]
    assert {path for (path, _), security in secured.items() if security is None} == PUBLIC & {*document["paths"]}
    assert all({"401", "403"} <= each["responses"].keys() for _, _, each in operations if "security" in each)
