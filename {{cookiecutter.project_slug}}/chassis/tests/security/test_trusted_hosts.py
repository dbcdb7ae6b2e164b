"""A page of any site may send requests to a service of a developer through DNS rebinding: its own name is the Host."""

from typing import Any

import pytest
from quart import websocket
from quart.testing import WebsocketResponseError
from quart.typing import TestClientProtocol as Client

from chassis.app import ChassisApp
from chassis.config import ChassisConfig
from chassis.domain.exceptions import ConfigurationError
from chassis.tests.sample.create_app import create_app

SWITCH = "/v1/service-context"
HEALTH_CHECKS = ["/health/live", "/health/ready", "/health/live/"]


def create_client(app: ChassisApp, config: ChassisConfig, **settings: Any) -> Client:
    served = create_app(
        ChassisConfig.load(_env_file=None, SQLALCHEMY_DATABASE_URI=config.SQLALCHEMY_DATABASE_URI, **settings)
    )
    served.container.database.override(app.container.database())

    @served.websocket("/socket")
    async def socket() -> None:
        await websocket.send(await websocket.receive())

    return served.test_client()


@pytest.fixture(name="development")
def _development(app: ChassisApp, config: ChassisConfig) -> Client:
    return create_client(app, config, APP_ENV="development")


@pytest.mark.parametrize("method", ["GET", "PATCH", "OPTIONS"])
@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:7000", "localhost.evil.example", "127.0.0.1.evil.example", "192.168.0.7"]
)
async def test_a_foreign_host_does_not_reach_the_switch_in_development(
    host: str, method: str, development: Client
) -> None:
    headers = {"Host": host, "Access-Control-Request-Method": "PATCH"}
    body = {"maintenance": True} if method == "PATCH" else None

    refused = await development.open(SWITCH, method=method, headers=headers, json=body)
    context = await (await development.get(SWITCH)).get_json()

    assert (refused.status_code, refused.content_type) == (400, "application/problem+json")
    assert "TRUSTED_HOSTS" in (await refused.get_json(force=True))["error_message"]
    assert "evil" not in (await refused.get_data(as_text=True))
    assert context["maintenance"] is False


async def test_a_foreign_host_opens_no_websocket_in_development(development: Client) -> None:
    with pytest.raises(WebsocketResponseError) as refused:
        async with development.websocket("/socket", headers={"Host": "evil.example"}) as socket:
            await socket.receive()

    assert refused.value.response.status_code == 400
    async with development.websocket("/socket") as socket:
        await socket.send("hello")
        assert await socket.receive() == "hello"


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "LOCALHOST:7000", "localhost.", "app.localhost:7000"),
        *("127.0.0.1:7000", "127.1.2.3", "[::1]:7000", "[::ffff:127.0.0.1]"),
    ],
)
async def test_development_answers_to_loopback_names_and_addresses(host: str, development: Client) -> None:
    assert (await development.get(SWITCH, headers={"Host": host})).status_code == 200


@pytest.mark.parametrize(
    ("hosts", "host", "status"),
    [
        ("api.example.com", "api.example.com", 200),
        ("api.example.com", "API.example.com.:443", 200),
        ("api.example.com", "www.example.com", 400),
        ("api.example.com", "example.com", 400),
        ("*.example.com", "api.example.com", 200),
        ("*.example.com", "a.b.example.com", 200),
        ("*.example.com", "example.com", 400),
        ("*.example.com", "evilexample.com", 400),
        ("a.example, 10.0.0.7 ,fd00::7", "10.0.0.7:7000", 200),
        ("a.example, 10.0.0.7 ,fd00::7", "[fd00::7]:7000", 200),
        ("a.example, 10.0.0.7 ,fd00::7", "10.0.0.8", 400),
        ("*", "evil.example", 200),
    ],
)
@pytest.mark.parametrize("app_env", ["development", "production"])
async def test_the_setting_names_further_hosts(
    hosts: str, host: str, status: int, app_env: str, app: ChassisApp, config: ChassisConfig
) -> None:
    client = create_client(app, config, APP_ENV=app_env, TRUSTED_HOSTS=hosts)

    assert (await client.get(SWITCH, headers={"Host": host})).status_code == status


async def test_production_answers_to_any_host_unless_the_setting_names_some(
    app: ChassisApp, config: ChassisConfig
) -> None:
    any_host = create_client(app, config, APP_ENV="production")
    one_host = create_client(app, config, APP_ENV="production", TRUSTED_HOSTS="api.example.com")

    assert (await any_host.get(SWITCH, headers={"Host": "evil.example"})).status_code == 200
    assert (await one_host.get(SWITCH, headers={"Host": "localhost"})).status_code == 400


@pytest.mark.parametrize("path", HEALTH_CHECKS)
@pytest.mark.parametrize("prefix", ["", "/team/example"])
async def test_health_checks_ask_an_instance_by_its_address(
    path: str, prefix: str, app: ChassisApp, config: ChassisConfig
) -> None:
    """The Host is that of the pod in Kubernetes, and 127.0.0.1 in a container."""
    settings = {"APP_ENV": "production", "TRUSTED_HOSTS": "api.example.com", "SERVICE_PREFIX": prefix}
    client = create_client(app, config, **settings)

    for host in ("10.244.0.7:7000", "127.0.0.1:7000"):
        assert (await client.get(f"{prefix}{path}", headers={"Host": host})).status_code == 200
        assert (await client.get(f"{prefix}{SWITCH}", headers={"Host": host})).status_code == 400
        assert (await client.get(f"{prefix}{path}x", headers={"Host": host})).status_code == 400


async def test_a_request_without_a_host_comes_from_no_browser(app: ChassisApp, config: ChassisConfig) -> None:
    """HAProxy checks with HTTP/1.0 and without a Host."""
    client = create_client(app, config, APP_ENV="production", TRUSTED_HOSTS="api.example.com")

    assert (await client.get(SWITCH, headers={"Host": ""}, http_version="1.0")).status_code == 200


async def test_the_host_behind_proxies_is_the_one_in_front_of_them(app: ChassisApp, config: ChassisConfig) -> None:
    client = create_client(app, config, APP_ENV="production", TRUSTED_HOSTS="api.example.com", PROXY_HOPS=1)

    for host, status in (("api.example.com", 200), ("evil.example", 400)):
        headers = {"Host": "10.0.0.7:7000", "X-Forwarded-Host": host}
        assert (await client.get(SWITCH, headers=headers)).status_code == status


@pytest.mark.parametrize(
    "host", ["https://api.example.com", "api.example.com:443", "api.*.com", "a b", "*example.com", "[::1]", "a/b"]
)
def test_something_else_than_a_host_stops_the_start(host: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^TRUSTED_HOSTS has '.*', which is not a host such as api\.example"):
        ChassisConfig.load(
            _env_file=None, SQLALCHEMY_DATABASE_URI="postgresql://h/d", TRUSTED_HOSTS=f"a.example,{host}"
        )
