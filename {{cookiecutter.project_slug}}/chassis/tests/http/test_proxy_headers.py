"""What a request says about its way here, and how much of it is believed."""

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
UNUSED: Any = None


async def seen(hops: int, *headers: tuple[str, str], kind: str = "http", **scope: Any) -> dict[str, Any]:
    """What the application is shown of a request for http://service/v1/thing with these headers."""
    shown: dict[str, Any] = {}

    async def application(scope: Scope, _receive: Receive, _send: Send) -> None:
        shown.update(scope, host=[value for name, value in scope["headers"] if name.lower() == b"host"])

    lines = [(b"Host", b"service"), *((name.encode("latin1"), value.encode("latin1")) for name, value in headers)]
    scheme = "ws" if kind == "websocket" else "http"
    request = {"type": kind, "scheme": scheme, "path": "/v1/thing", "client": PEER, "headers": lines, **scope}
    await ProxyHeadersMiddleware(application, hops)(request, UNUSED, UNUSED)
    return shown


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
async def test_values_count_from_the_right_over_all_lines(hops: int, lines: list[str], client: str) -> None:
    shown = await seen(hops, *(("X-Forwarded-For", line) for line in lines))

    assert shown["client"][0] == client


@pytest.mark.parametrize(
    ("value", "client"),
    [
        ("1.1.1.1:8080", "1.1.1.1"),
        ("2001:DB8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:8080", "2001:db8::1"),
    ],
)
async def test_an_address_may_be_of_either_kind_with_a_port_or_without(value: str, client: str) -> None:
    shown = await seen(1, ("X-Forwarded-For", value))

    assert shown["client"] == (client, 0)


@pytest.mark.parametrize(
    "value", ["", " ", "unknown", "_hidden", "1.1.1", "1.1.1.1:a", "[::1", "::1]:1", "fe80::1%<b>", "\xff", "1.1.1.1,"]
)
async def test_what_is_no_address_changes_nothing(value: str) -> None:
    assert (await seen(1, ("X-Forwarded-For", value)))["client"] == PEER


async def test_a_client_on_a_unix_socket_gets_an_address() -> None:
    assert (await seen(1, ("X-Forwarded-For", "1.1.1.1"), client=None))["client"] == ("1.1.1.1", 0)


@pytest.mark.parametrize(
    ("kind", "value", "scheme"),
    [
        ("http", "https", "https"),
        ("http", "HTTPS", "https"),
        ("http", "http", "http"),
        ("http", "https, http", "http"),
        ("websocket", "https", "wss"),
        ("websocket", "wss", "wss"),  # Traefik says it so
        ("websocket", "http", "ws"),
        ("http", "javascript", "http"),
        ("websocket", "", "ws"),
    ],
)
async def test_a_scheme_fits_the_kind_of_connection(kind: str, value: str, scheme: str) -> None:
    assert (await seen(1, ("X-Forwarded-Proto", value), kind=kind))["scheme"] == scheme


@pytest.mark.parametrize(
    ("host", "port", "seen_as"),
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
async def test_there_is_one_host_and_it_is_a_valid_one(host: str | None, port: str | None, seen_as: str) -> None:
    given = {"X-Forwarded-Host": host, "X-Forwarded-Port": port}

    shown = await seen(1, *((name, value) for name, value in given.items() if value is not None))

    assert shown["host"] == [seen_as.encode()]


async def test_the_host_is_made_where_the_request_has_none() -> None:
    shown = await seen(1, headers=[(b"x-forwarded-host", b"api.example.com")])

    assert shown["host"] == [b"api.example.com"]


@pytest.mark.parametrize("value", ["/example", "/example/", "/team/example", "/a.b_c~d@1"])
async def test_a_prefix_is_in_front_of_the_path_and_of_a_prefix_of_the_server(value: str) -> None:
    prefix = value.rstrip("/")

    bare = await seen(1, ("X-Forwarded-Prefix", value))
    mounted = await seen(1, ("X-Forwarded-Prefix", value), root_path="/inner", path="/inner/v1/thing")

    assert (bare["root_path"], bare["path"]) == (prefix, f"{prefix}/v1/thing")
    assert (mounted["root_path"], mounted["path"]) == (f"{prefix}/inner", f"{prefix}/inner/v1/thing")


@pytest.mark.parametrize(
    "value",
    ["", "/", "example", "//evil.example", "/a//b", "/..", "/a/../b", "/a b", "/a?b", "/a%2Fb", "/\xe4", "/\\b"],
)
async def test_what_is_no_plain_path_is_no_prefix(value: str) -> None:
    shown = await seen(1, ("X-Forwarded-Prefix", value))

    assert (shown["root_path"], shown["path"]) == ("", "/v1/thing")


@pytest.mark.parametrize("path", ["*", "http://service/v1/thing"])
async def test_a_prefix_goes_in_front_of_paths_only(path: str) -> None:
    shown = await seen(1, ("X-Forwarded-Prefix", "/example"), path=path)

    assert (shown.get("root_path", ""), shown["path"]) == ("", path)


async def test_lifespan_passes_through() -> None:
    scope = {"type": "lifespan"}
    seen: list[Scope] = []

    async def application(scope: Scope, *_: Any) -> None:
        seen.append(scope)

    await ProxyHeadersMiddleware(application, 1)(scope, UNUSED, UNUSED)

    assert seen == [scope]


def served(app: ChassisApp, config: ChassisConfig, hops: int, prefix: str = "") -> Client:
    """A service that tells what it sees; `Host` is left to the client."""
    settings = {"APP_ENV": "development", "PROXY_HOPS": hops, "SERVICE_PREFIX": prefix}
    service = create_app(
        ChassisConfig.load(_env_file=None, SQLALCHEMY_DATABASE_URI=config.SQLALCHEMY_DATABASE_URI, **settings)
    )
    service.container.database.override(app.container.database())

    @service.get("/seen")
    async def http() -> dict[str, Any]:
        return {"client": request.remote_addr, "url": request.url, "made": url_for("health.live", _external=True)}

    @service.websocket("/seen")
    async def socket() -> None:
        await websocket.accept()
        await websocket.send_json([websocket.remote_addr, websocket.url, url_for("health.live", _external=True)])

    return service.test_client()


async def test_nobody_is_believed_by_default(app: ChassisApp, config: ChassisConfig) -> None:
    client = served(app, config, ChassisConfig.model_fields["PROXY_HOPS"].default)

    honest, forged = [await client.get("/seen", headers=headers) for headers in ({}, FORGED)]

    assert await honest.get_json() == await forged.get_json()


@pytest.mark.parametrize(("prefix", "path"), [("", "/seen"), ("inner", "/inner/seen")])
async def test_urls_are_those_in_front_of_the_proxy(
    app: ChassisApp, config: ChassisConfig, prefix: str, path: str
) -> None:
    client = served(app, config, 1, prefix)
    forwarded = {
        "X-Forwarded-For": "6.6.6.6, 1.1.1.1",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "api.example.com",
        "X-Forwarded-Port": "443",
        "X-Forwarded-Prefix": "/outer",
    }
    root = f"/outer/{prefix}".rstrip("/")

    seen = await (await client.get(path, headers=forwarded)).get_json()
    problem = await (await client.get(path.replace("seen", "nowhere"), headers=forwarded)).get_json(force=True)
    openapi = await (await client.get(path.replace("seen", "openapi.json"), headers=forwarded)).get_json()

    base = f"https://api.example.com{root}"
    assert seen == {"client": "1.1.1.1", "url": f"{base}/seen", "made": f"{base}/health/live"}
    assert problem["instance"] == f"{root}/nowhere"
    assert openapi["servers"] == [{"url": root}]
    async with client.websocket(path, headers=forwarded) as socket:
        assert await socket.receive_json() == ["1.1.1.1", f"wss://api.example.com{root}/seen", f"{base}/health/live"]


@pytest.mark.parametrize("path", ["/v1/service-context", "/v1/service-context/"])
async def test_what_is_exempt_from_a_window_is_so_behind_any_prefix(
    app: ChassisApp, config: ChassisConfig, path: str
) -> None:
    client = served(app, config, 1, "inner")
    state = client.app.container.maintenance_state()  # type: ignore[attr-defined]
    await state.apply_change(ServiceContext(maintenance=True, version=1))
    headers = {"X-Forwarded-Prefix": "/outer"}

    assert (await client.get(f"/inner{path}", headers=headers)).status_code == 200
    for refused in ("/inner/seen", f"/inner/{path}", f"/outer/inner{path}", path):
        assert (await client.get(refused, headers=headers)).status_code == 503
