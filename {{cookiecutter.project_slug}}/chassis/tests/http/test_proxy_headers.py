"""Headers that proxies add, and headers that a client forges."""

from typing import Any

import pytest
from quart import request, url_for, websocket
from quart.typing import TestClientProtocol as Client

from chassis.app import ChassisApp
from chassis.config import ChassisConfig
from chassis.http.asgi import Receive, Scope, Send
from chassis.http.proxy_headers import ProxyHeadersMiddleware
from chassis.maintenance.service_context import ServiceContext
from chassis.tests.sample.create_app import create_app

PEER = ("10.0.0.1", 4711)
FORGED = {
    "X-Forwarded-For": "6.6.6.6",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Port": "666",
    "X-Forwarded-Prefix": "/evil",
    "Forwarded": "for=6.6.6.6;proto=https;host=evil.example",
}
UNUSED: Any = None  # for `receive` and `send`


async def _forward(hops: int, *headers: tuple[str, str], kind: str = "http", **scope: Any) -> dict[str, Any]:
    """Return the scope that the application gets for a request of http://service/v1/thing with these headers."""
    forwarded_scope: dict[str, Any] = {}

    async def application(scope: Scope, _receive: Receive, _send: Send) -> None:
        forwarded_scope.update(scope, host=[value for name, value in scope["headers"] if name.lower() == b"host"])

    lines = [(b"Host", b"service"), *((name.encode("latin1"), value.encode("latin1")) for name, value in headers)]
    scheme = "ws" if kind == "websocket" else "http"
    request = {"type": kind, "scheme": scheme, "path": "/v1/thing", "client": PEER, "headers": lines, **scope}
    await ProxyHeadersMiddleware(application, hops)(request, UNUSED, UNUSED)
    return forwarded_scope


@pytest.mark.parametrize(
    ("hops", "lines", "client"),
    [
        (1, ["1.1.1.1"], "1.1.1.1"),
        (1, ["6.6.6.6, 1.1.1.1"], "1.1.1.1"),
        (1, ["6.6.6.6", "1.1.1.1"], "1.1.1.1"),
        (2, ["6.6.6.6, 1.1.1.1, 2.2.2.2"], "1.1.1.1"),
        (2, ["6.6.6.6,1.1.1.1", "2.2.2.2"], "1.1.1.1"),
        (2, ["2.2.2.2"], "10.0.0.1"),
        (3, ["1.1.1.1, 2.2.2.2"], "10.0.0.1"),
        (1, [], "10.0.0.1"),
    ],
)
async def test_counts_values_from_the_right_over_all_lines(hops: int, lines: list[str], client: str) -> None:
    scope = await _forward(hops, *(("X-Forwarded-For", line) for line in lines))

    assert scope["client"][0] == client


@pytest.mark.parametrize(
    ("value", "client"),
    [
        ("1.1.1.1:8080", "1.1.1.1"),
        ("2001:DB8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:8080", "2001:db8::1"),
    ],
)
async def test_reads_ipv4_and_ipv6_addresses_with_and_without_a_port(value: str, client: str) -> None:
    scope = await _forward(1, ("X-Forwarded-For", value))

    assert scope["client"] == (client, 0)


@pytest.mark.parametrize(
    "value", ["", " ", "unknown", "_hidden", "1.1.1", "1.1.1.1:a", "[::1", "::1]:1", "fe80::1%<b>", "\xff", "1.1.1.1,"]
)
async def test_ignores_a_value_that_is_not_an_address(value: str) -> None:
    assert (await _forward(1, ("X-Forwarded-For", value)))["client"] == PEER


async def test_gives_an_address_to_a_client_on_a_unix_socket() -> None:
    assert (await _forward(1, ("X-Forwarded-For", "1.1.1.1"), client=None))["client"] == ("1.1.1.1", 0)


@pytest.mark.parametrize(
    ("kind", "value", "scheme"),
    [
        ("http", "https", "https"),
        ("http", "HTTPS", "https"),
        ("http", "http", "http"),
        ("http", "https, http", "http"),
        ("websocket", "https", "wss"),
        ("websocket", "wss", "wss"),  # as Traefik sends it
        ("websocket", "http", "ws"),
        ("http", "javascript", "http"),
        ("websocket", "", "ws"),
    ],
)
async def test_translates_the_scheme_to_the_kind_of_connection(kind: str, value: str, scheme: str) -> None:
    assert (await _forward(1, ("X-Forwarded-Proto", value), kind=kind))["scheme"] == scheme


@pytest.mark.parametrize(
    ("host", "port", "forwarded_host"),
    [
        ("api.example.com", None, "api.example.com"),
        ("api.example.com:8443", None, "api.example.com:8443"),
        ("api.example.com", "8443", "api.example.com:8443"),
        ("api.example.com:80", "8443", "api.example.com:8443"),
        ("[::1]", "8443", "[::1]:8443"),
        ("[::1]:80", "8443", "[::1]:8443"),
        (None, "8443", "service:8443"),
        ("api.example.com", "0", "api.example.com"),
        ("api.example.com", "99999", "api.example.com"),
        ("a b", "8443", "service:8443"),
        ("evil.example/path", None, "service"),
        ("user@evil.example", None, "service"),
        ("\xff", "", "service"),
        ("", None, "service"),
    ],
)
async def test_forwards_exactly_one_valid_host(host: str | None, port: str | None, forwarded_host: str) -> None:
    values = {"X-Forwarded-Host": host, "X-Forwarded-Port": port}

    scope = await _forward(1, *((name, value) for name, value in values.items() if value is not None))

    assert scope["host"] == [forwarded_host.encode()]


async def test_adds_a_host_to_a_request_without_one() -> None:
    scope = await _forward(1, headers=[(b"x-forwarded-host", b"api.example.com")])

    assert scope["host"] == [b"api.example.com"]


@pytest.mark.parametrize("value", ["/example", "/example/", "/team/example", "/a.b_c~d@1"])
async def test_puts_the_prefix_before_the_path_and_before_a_prefix_of_the_server(value: str) -> None:
    prefix = value.rstrip("/")

    bare = await _forward(1, ("X-Forwarded-Prefix", value))
    mounted = await _forward(1, ("X-Forwarded-Prefix", value), root_path="/inner", path="/inner/v1/thing")

    assert (bare["root_path"], bare["path"]) == (prefix, f"{prefix}/v1/thing")
    assert (mounted["root_path"], mounted["path"]) == (f"{prefix}/inner", f"{prefix}/inner/v1/thing")


@pytest.mark.parametrize(
    "value",
    ["", "/", "example", "//evil.example", "/a//b", "/..", "/a/../b", "/a b", "/a?b", "/a%2Fb", "/\xe4", "/\\b"],
)
async def test_ignores_a_prefix_that_is_not_a_plain_path(value: str) -> None:
    scope = await _forward(1, ("X-Forwarded-Prefix", value))

    assert (scope["root_path"], scope["path"]) == ("", "/v1/thing")


@pytest.mark.parametrize("path", ["*", "http://service/v1/thing"])
async def test_adds_no_prefix_to_a_target_that_is_not_a_path(path: str) -> None:
    scope = await _forward(1, ("X-Forwarded-Prefix", "/example"), path=path)

    assert (scope.get("root_path", ""), scope["path"]) == ("", path)


async def test_passes_lifespan_through() -> None:
    scope = {"type": "lifespan"}
    forwarded_scopes: list[Scope] = []

    async def application(scope: Scope, *_: Any) -> None:
        forwarded_scopes.append(scope)

    await ProxyHeadersMiddleware(application, 1)(scope, UNUSED, UNUSED)

    assert forwarded_scopes == [scope]


def _create_client(app: ChassisApp, config: ChassisConfig, hops: int, prefix: str = "") -> Client:
    """Return a client of a service that answers `/urls` with the URLs and the address that it sees."""
    settings = {"APP_ENV": "development", "PROXY_HOPS": hops, "SERVICE_PREFIX": prefix, "TRUSTED_HOSTS": "*"}
    service = create_app(
        ChassisConfig.load(_env_file=None, SQLALCHEMY_DATABASE_URI=config.SQLALCHEMY_DATABASE_URI, **settings)
    )
    service.container.database.override(app.container.database())

    @service.get("/urls")
    async def http() -> dict[str, Any]:
        return {"client": request.remote_addr, "url": request.url, "built": url_for("health.live", _external=True)}

    @service.websocket("/urls")
    async def socket() -> None:
        await websocket.accept()
        await websocket.send_json([websocket.remote_addr, websocket.url, url_for("health.live", _external=True)])

    return service.test_client()


async def test_ignores_forwarded_headers_by_default(app: ChassisApp, config: ChassisConfig) -> None:
    client = _create_client(app, config, ChassisConfig.model_fields["PROXY_HOPS"].default)

    honest, forged = [await client.get("/urls", headers=headers) for headers in ({}, FORGED)]

    assert await honest.get_json() == await forged.get_json()


@pytest.mark.parametrize(("prefix", "path"), [("", "/urls"), ("inner", "/inner/urls")])
async def test_builds_urls_as_they_are_before_the_proxy(
    app: ChassisApp, config: ChassisConfig, prefix: str, path: str
) -> None:
    client = _create_client(app, config, 1, prefix)
    headers = {
        "X-Forwarded-For": "6.6.6.6, 1.1.1.1",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "api.example.com",
        "X-Forwarded-Port": "443",
        "X-Forwarded-Prefix": "/outer",
    }
    root = f"/outer/{prefix}".rstrip("/")

    body = await (await client.get(path, headers=headers)).get_json()
    problem = await (await client.get(path.replace("urls", "nowhere"), headers=headers)).get_json(force=True)
    openapi = await (await client.get(path.replace("urls", "openapi.json"), headers=headers)).get_json()

    base = f"https://api.example.com{root}"
    assert body == {"client": "1.1.1.1", "url": f"{base}/urls", "built": f"{base}/health/live"}
    assert problem["instance"] == f"{root}/nowhere"
    assert openapi["servers"] == [{"url": root}]
    async with client.websocket(path, headers=headers) as socket:
        assert await socket.receive_json() == ["1.1.1.1", f"wss://api.example.com{root}/urls", f"{base}/health/live"]


@pytest.mark.parametrize("path", ["/v1/service-context", "/v1/service-context/"])
async def test_recognises_exempt_routes_behind_any_prefix(app: ChassisApp, config: ChassisConfig, path: str) -> None:
    client = _create_client(app, config, 1, "inner")
    state = client.app.container.maintenance_state()  # type: ignore[attr-defined]
    await state.apply_change(ServiceContext(maintenance=True, version=1))
    headers = {"X-Forwarded-Prefix": "/outer"}

    assert (await client.get(f"/inner{path}", headers=headers)).status_code == 200
    for refused in ("/inner/urls", f"/inner/{path}", f"/outer/inner{path}", path):
        assert (await client.get(refused, headers=headers)).status_code == 503
