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


during_maintenance = pytest.mark.usefixtures("_active_window")


@pytest.fixture(name="_active_window")
async def __active_window(client: Client) -> AsyncIterator[None]:
    assert (await client.patch(PATH, json={"maintenance": True})).status_code == 200
    yield
    await client.patch(PATH, json={"maintenance": False})


async def _change(client: Client, **data: Any) -> dict[str, Any]:
    return dict(await (await client.patch(PATH, json=data)).get_json())


async def test_is_inactive_at_first(client: Client) -> None:
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


@during_maintenance
async def test_answers_a_change_with_the_new_state(client: Client) -> None:
    expected_end = (datetime.now(UTC) + timedelta(hours=1)).replace(microsecond=0)

    changed = await _change(client, message="Back soon", expected_end=expected_end.isoformat())
    read = await (await client.get(PATH)).get_json()

    assert changed == read
    assert (changed["maintenance"], changed["message"], changed["version"]) == (True, "Back soon", 2)
    assert datetime.fromisoformat(changed["expected_end"]) == expected_end
    assert datetime.fromisoformat(changed["since"]) <= datetime.now(UTC)


@during_maintenance
async def test_ignores_a_change_that_changes_nothing(client: Client) -> None:
    first, second = await _change(client, maintenance=True), await _change(client, maintenance=True)

    assert first == second


@during_maintenance
async def test_clears_a_field_with_null_and_all_fields_on_deactivation(client: Client) -> None:
    await _change(client, message="a")

    assert (await _change(client, message=None))["message"] is None
    await _change(client, message="b")
    deactivated = await _change(client, maintenance=False)
    assert (deactivated["maintenance"], deactivated["message"], deactivated["since"]) == (False, None, None)


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
async def test_names_the_field_that_is_wrong(client: Client, body: dict[str, Any], field: str) -> None:
    response = await client.patch(PATH, json=body)

    assert response.status_code == 400
    assert list((await response.get_json(force=True))["error_message"]) == [field]
    assert not (await (await client.get(PATH)).get_json())["maintenance"]


async def test_documents_the_length_of_the_message(client: Client) -> None:
    document = await (await client.get("/openapi.json")).get_json()

    body = document["components"]["schemas"]["ServiceContextUpdate"]
    assert body["properties"]["message"]["anyOf"][0]["maxLength"] == 500


async def test_refuses_a_body_that_is_not_json(client: Client) -> None:
    assert (await client.patch(PATH)).status_code == 400
    response = await client.patch(PATH, data="maintenance=true", headers={"Content-Type": "text/plain"})
    assert response.status_code == 415


@during_maintenance
async def test_refuses_other_requests(client: Client) -> None:
    response = await client.get("/v1/anything")

    problem = json.loads(await response.get_data(as_text=True))
    assert response.status_code == problem["status"] == 503
    assert response.content_type == "application/problem+json"
    assert response.headers["Retry-After"] == "60"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Maintenance-Mode"] == "1"
    assert problem["message"] == problem["error_message"] == "Service is currently enduring maintenance"
    assert problem["since"]


@during_maintenance
async def test_includes_the_message_and_the_end_in_a_refusal(client: Client) -> None:
    await _change(client, message="Back soon", expected_end=(datetime.now(UTC) + timedelta(minutes=10)).isoformat())

    response = await client.get("/v1/anything")

    assert 590 <= int(response.headers["Retry-After"]) <= 600
    assert (await response.get_json(force=True))["detail"] == "Back soon"


@during_maintenance
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
async def test_refuses_a_path_that_resembles_an_exempt_one(client: Client, path: str) -> None:
    assert (await client.get(path)).status_code in (404, 503)
    response = await client.get(path, scope_base={"path": path})
    assert (response.status_code, response.headers.get("X-Maintenance-Mode")) == (503, "1")


@during_maintenance
@pytest.mark.parametrize("path", [PATH, f"{PATH}/", "/health/live", "/health/ready", "/health/ready/"])
async def test_serves_exempt_paths(client: Client, path: str) -> None:
    assert (await client.get(path)).status_code == 200


@during_maintenance
async def test_reports_the_window_in_the_readiness_probe(client: Client) -> None:
    assert (await (await client.get("/health/ready")).get_json())["maintenance"] is True


def test_exempts_exactly_three_routes(app: ChassisApp) -> None:
    exempt = {
        rule.rule
        for rule in app.url_map.iter_rules()
        if getattr(app.view_functions[rule.endpoint], "maintenance_exempt", False)
    }

    assert exempt == {PATH, "/health/live", "/health/ready"}


@during_maintenance
async def test_answers_from_memory_without_a_database(app: ChassisApp, client: Client) -> None:
    class UnreachableStore:
        async def read(self) -> None:
            msg = "no database"
            raise UnavailableError(msg)

    with app.container.service_context_store.override(UnreachableStore()):
        body = await (await client.get(PATH)).get_json()

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
async def test_checks_the_token_of_a_change(
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


async def test_checks_access_before_it_reads_the_body(app: ChassisApp, config: ChassisConfig) -> None:
    other = create_app(config.model_copy(update={"APP_ENV": "production"}))
    other.container.database.override(app.container.database())

    assert (await other.test_client().patch(PATH, json={"maintenance": "nonsense"})).status_code == 403


async def test_lets_browsers_of_allowed_origins_read_a_refusal(
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


async def test_ends_with_the_state_of_the_row_after_concurrent_changes(app: ChassisApp, client: Client) -> None:
    await asyncio.gather(*(client.patch(PATH, json={"maintenance": bool(number % 2)}) for number in range(50)))
    row = await app.container.service_context_store().read()
    state = app.container.maintenance_state()
    async with asyncio.timeout(5):
        while state.context != row:
            await asyncio.sleep(0.01)

    await client.patch(PATH, json={"maintenance": False})
