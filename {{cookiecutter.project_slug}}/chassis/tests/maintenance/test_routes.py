import asyncio
import json
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from quart.typing import TestClientProtocol as Client

from chassis.app import ChassisApp
from chassis.config import ChassisConfig
from chassis.domain.exceptions import UnavailableError
from chassis.persistence.database import Database
from chassis.tests.sample.create_app import create_app

PATH = "/v1/service-context"
TOKEN = "a-token-of-some-length"


@pytest.fixture(name="window")
async def _window(app: ChassisApp, client: Client) -> AsyncIterator[Client]:
    """A client during a maintenance window."""
    assert (await client.patch(PATH, json={"maintenance": True})).status_code == 200
    yield client
    await client.patch(PATH, json={"maintenance": False})


async def _body(client: Client, **data: Any) -> dict[str, Any]:
    return dict(await (await client.patch(PATH, json=data)).get_json())


async def test_is_open_at_first(client: Client) -> None:
    response = await client.get(PATH)

    assert await response.get_json() == {
        "maintenance": False,
        "message": None,
        "expected_end": None,
        "since": None,
        "version": 0,
        "stale": False,
    }
    assert response.headers["ETag"] == '"0"'


async def test_switching_answers_with_the_new_state(window: Client) -> None:
    expected_end = (datetime.now(UTC) + timedelta(hours=1)).replace(microsecond=0)

    changed = await _body(window, message="Back soon", expected_end=expected_end.isoformat())
    read = await (await window.get(PATH)).get_json()

    assert changed == read
    assert (changed["maintenance"], changed["message"], changed["version"]) == (True, "Back soon", 2)
    assert datetime.fromisoformat(changed["expected_end"]) == expected_end
    assert datetime.fromisoformat(changed["since"]) <= datetime.now(UTC)


async def test_the_same_change_twice_is_one(window: Client) -> None:
    first, second = await _body(window, maintenance=True), await _body(window, maintenance=True)

    assert first == second


async def test_null_clears_and_switching_off_clears_all(window: Client) -> None:
    await _body(window, message="a")

    assert (await _body(window, message=None))["message"] is None
    await _body(window, message="b")
    off = await _body(window, maintenance=False)
    assert (off["maintenance"], off["message"], off["since"]) == (False, None, None)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"maintenance": "true"}, "maintenance"),
        ({"maintenance": 1}, "maintenance"),
        ({"maintenance": None}, "maintenance"),
        ({"maintenance": True, "message": "x" * 501}, "message"),
        ({"maintenance": True, "message": 1}, "message"),
        ({"maintenance": True, "expected_end": "2020-01-01T00:00:00Z"}, "expected_end"),
        ({"maintenance": True, "expected_end": "2999-01-01T00:00:00"}, "expected_end"),
        ({"maintenance": True, "expected_end": 32503680000}, "expected_end"),
        ({"maintenance": True, "expected_end": "9999-12-31T23:59:59Z"}, "expected_end"),
        ({"maintenance": True, "expected_end": "9999-12-31T23:59:59-23:59"}, "expected_end"),
        ({"maintenance": False, "message": "a"}, "message"),
        ({"message": "a"}, "message"),
        ({"maintenance": True, "since": "2026-01-01T00:00:00Z"}, "since"),
    ],
)
async def test_refuses_a_bad_field_by_name(client: Client, body: dict[str, Any], field: str) -> None:
    response = await client.patch(PATH, json=body)

    assert response.status_code == 400
    assert list((await response.get_json(force=True))["error_message"]) == [field]


async def test_the_limit_of_the_message_is_documented(client: Client) -> None:
    document = await (await client.get("/openapi.json")).get_json()

    body = document["paths"]["/v1/service-context"]["patch"]["requestBody"]["content"]["application/json"]["schema"]
    assert body["properties"]["message"]["anyOf"][0]["maxLength"] == 500
    assert not (await (await client.get(PATH)).get_json())["maintenance"]


async def test_refuses_what_is_no_json(client: Client) -> None:
    assert (await client.patch(PATH)).status_code == 400
    response = await client.patch(PATH, data="maintenance=true", headers={"Content-Type": "text/plain"})
    assert response.status_code == 415


async def test_everything_else_is_refused(window: Client) -> None:
    response = await window.get("/v1/anything")

    problem = json.loads(await response.get_data(as_text=True))
    assert response.status_code == problem["status"] == 503
    assert response.content_type == "application/problem+json"
    assert response.headers["Retry-After"] == "60"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Maintenance-Mode"] == "1"
    assert problem["message"] == problem["error_message"] == "Service is currently enduring maintenance"
    assert problem["since"]


async def test_a_refusal_tells_the_message_and_the_end(window: Client) -> None:
    await _body(window, message="Back soon", expected_end=(datetime.now(UTC) + timedelta(minutes=10)).isoformat())

    response = await window.get("/v1/anything")

    assert 590 <= int(response.headers["Retry-After"]) <= 600
    assert (await response.get_json(force=True))["detail"] == "Back soon"


@pytest.mark.parametrize(
    "path",
    [
        "/v1/service-contextx",
        "//v1/service-context",
        "/v1/service-context/../anything",
        "/v1/service-context//",
        "/v1/service-context/x",
        "/V1/service-context",
        "/v1/service-context%00",
        "/v1/service-context%2F..%2Fanything",
        "/v1//service-context",
        "/health",
        "/health/live/../../v1/anything",
        "/openapi.json",
        "/docs",
    ],
)
async def test_nothing_gets_through_that_looks_exempt(window: Client, path: str) -> None:
    assert (await window.get(path)).status_code in (404, 503)
    response = await window.get(path, scope_base={"path": path})
    assert (response.status_code, response.headers.get("X-Maintenance-Mode")) == (503, "1")


@pytest.mark.parametrize("path", [PATH, f"{PATH}/", "/health/live", "/health/ready", "/health/ready/"])
async def test_what_is_exempt_is_reachable(window: Client, path: str) -> None:
    assert (await window.get(path)).status_code == 200


async def test_ready_reports_the_window(window: Client) -> None:
    assert (await (await window.get("/health/ready")).get_json())["maintenance"] is True


def test_exactly_three_routes_are_exempt(app: ChassisApp) -> None:
    exempt = {
        rule.rule
        for rule in app.url_map.iter_rules()
        if getattr(app.view_functions[rule.endpoint], "maintenance_exempt", False)
    }

    assert exempt == {PATH, "/health/live", "/health/ready"}


async def test_answers_from_memory_without_a_database(app: ChassisApp, window: Client) -> None:
    class Nowhere:
        async def read(self) -> None:
            msg = "no database"
            raise UnavailableError(msg)

    with app.container.service_context_store.override(Nowhere()):
        body = await (await window.get(PATH)).get_json()

    assert (body["maintenance"], body["stale"]) == (True, True)


@pytest.mark.parametrize(
    ("app_env", "token", "authorization", "status"),
    [
        ("production", None, None, 403),
        ("production", None, f"Bearer {TOKEN}", 403),
        ("production", TOKEN, None, 401),
        ("production", TOKEN, "Bearer wrong", 401),
        ("production", TOKEN, f"Bearer {TOKEN}", 200),
        ("production", f"{TOKEN}\n", f"bearer {TOKEN}", 200),
        ("development", None, None, 200),
        ("development", TOKEN, None, 401),
    ],
)
async def test_who_may_switch(
    app: ChassisApp,
    config: ChassisConfig,
    caplog: pytest.LogCaptureFixture,
    app_env: str,
    token: str | None,
    authorization: str | None,
    status: int,
) -> None:
    settings = {"APP_ENV": app_env, "SQLALCHEMY_DATABASE_URI": config.SQLALCHEMY_DATABASE_URI}
    other = create_app(ChassisConfig.load(_env_file=None, MAINTENANCE_TOKEN=token, **settings))
    other.container.database.override(app.container.database())
    headers = {"Authorization": authorization} if authorization else {}

    with caplog.at_level(logging.DEBUG):
        response = await other.test_client().patch(PATH, json={"maintenance": False}, headers=headers)

    assert response.status_code == status
    assert response.headers.get("WWW-Authenticate") == ("Bearer" if status == 401 else None)
    assert TOKEN not in caplog.text
    assert (await other.test_client().get(PATH)).status_code == 200


async def test_who_may_is_asked_before_what(app: ChassisApp, config: ChassisConfig) -> None:
    other = create_app(config.model_copy(update={"APP_ENV": "production"}))
    other.container.database.override(app.container.database())

    assert (await other.test_client().patch(PATH, json={"maintenance": "nonsense"})).status_code == 403


async def test_a_browser_of_an_allowed_origin_can_read_the_refusal(
    app: ChassisApp, config: ChassisConfig, database: Database
) -> None:
    other = create_app(config.model_copy(update={"CORS_ORIGINS": ("https://allowed.example",)}))
    other.container.database.override(database)
    client = other.test_client()
    await client.patch(PATH, json={"maintenance": True})

    allowed = await client.get("/v1/anything", headers={"Origin": "https://allowed.example"})
    foreign = await client.get("/v1/anything", headers={"Origin": "https://foreign.example"})
    preflight = await client.options(
        PATH, headers={"Origin": "https://allowed.example", "Access-Control-Request-Method": "PATCH"}
    )

    assert allowed.headers["Access-Control-Allow-Origin"] == "https://allowed.example"
    assert "Retry-After" in allowed.headers["Access-Control-Expose-Headers"]
    assert "Access-Control-Allow-Origin" not in foreign.headers
    assert allowed.headers["Vary"] == foreign.headers["Vary"] == "Origin"
    assert preflight.headers["Access-Control-Allow-Origin"] == "https://allowed.example"


async def test_a_storm_of_changes_ends_like_the_row(app: ChassisApp, client: Client) -> None:
    await asyncio.gather(*(client.patch(PATH, json={"maintenance": bool(number % 2)}) for number in range(50)))
    row = await app.container.service_context_store().read()
    state = app.container.maintenance_state()
    async with asyncio.timeout(5):
        while state.context != row:
            await asyncio.sleep(0.01)

    await client.patch(PATH, json={"maintenance": False})
