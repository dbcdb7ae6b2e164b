"""A path that a rule of a proxy does not match is not served: each route has one spelling, and a slash at the end."""

from collections.abc import AsyncIterator

import pytest

from chassis.app import ChassisApp
from chassis.config import ChassisConfig
from chassis.tests.sample.create_app import create_app
from chassis.tests.security.raw_http import Server, serving_on_loopback

OTHER_SPELLINGS = [
    "//v1/service-context",
    "///v1/service-context",
    "/v1//service-context",
    "/v1/service-context//",
    "//v1//service-context//",
    "/./v1/service-context",
    "/v1/./service-context",
    "/v1/service-context/.",
    "/x/../v1/service-context",
    "/v1/x/../service-context",
    "/../v1/service-context",
    "/%2fv1/service-context",
    "/v1%2Fservice-context",
    "/v1%2fservice-context",
    "/v1/service-context%2F",
    "/%2e/v1/service-context",
    "/v1/%2E%2e/v1/service-context",
    "/%761/service-context",
    "/v%31/service-context",
    "/v1/%73ervice-context",
    "/v1/service%2Dcontext",
    "/v1/service-contex%74",
    "/%56%31/service-context",
    "/v1/service-context%00",
    "/v1/service-context%00/x",
    "/v1%5Cservice-context",
    "/v1%252Fservice-context",
    "/V1/service-context",
    "/v1/service-context;x=1",
    "/v1/service-context%20",
    "/v1/service-context/x",
    "/v1/service-context%3F",
]


def _app(app: ChassisApp, config: ChassisConfig, prefix: str = "") -> ChassisApp:
    other = create_app(config.model_copy(update={"APP_ENV": "development", "SERVICE_PREFIX": prefix}))
    other.container.database.override(app.container.database())

    @other.get("/names/<name>")
    async def show_name(name: str) -> dict[str, str]:
        return {"name": name}

    @other.get("/files/<path:name>")
    async def show_file(name: str) -> dict[str, str]:
        return {"name": name}

    return other


@pytest.fixture(name="server", scope="module")
async def _server(running_app: ChassisApp, config: ChassisConfig) -> AsyncIterator[Server]:
    async with serving_on_loopback(_app(running_app, config)) as server:
        yield server
    running_app.wire()


async def test_serves_the_plain_path(server: Server) -> None:
    for path in ("/v1/service-context", "/v1/service-context/", "http://localhost/v1/service-context"):
        assert (await server.ask(f"GET {path}")).status == 200
    assert (await server.ask("GET /v1/service-context?next=//a/../%2F%41")).status == 200


async def test_does_not_serve_other_spellings(server: Server) -> None:
    for path in OTHER_SPELLINGS:
        for target in (path, f"http://localhost{path}"):
            for method in ("GET", "PATCH", "OPTIONS", "HEAD"):
                answer = await server.ask(f"{method} {target}")
                assert (answer.status, target) == (404, target)
                assert method == "HEAD" or answer.problem["title"] == "Not Found"


async def test_does_not_serve_other_spellings_below_a_prefix(app: ChassisApp, config: ChassisConfig) -> None:
    async with serving_on_loopback(_app(app, config, "/example")) as server:
        assert (await server.ask("GET /example/v1/service-context")).status == 200
        for path in OTHER_SPELLINGS:
            for target in (f"/example{path}", f"/{path}", f"/example/../example{path}", f"//example{path}"):
                assert (await server.ask(f"GET {target}")).status == 404


async def test_does_not_open_a_websocket_at_another_spelling(app: ChassisApp, config: ChassisConfig) -> None:
    other = _app(app, config)

    @other.websocket("/socket")
    async def socket() -> None:
        raise AssertionError

    upgrade = [b"Upgrade: websocket", b"Sec-WebSocket-Version: 13", b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]
    async with serving_on_loopback(other) as server:
        for path in ("//socket", "/./socket", "/%73ocket", "/%2Fsocket"):
            assert (await server.ask(f"GET {path}", [b"Connection: upgrade", *upgrade])).status == 404


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/names/b%C3%BCcher", "bücher"),
        ("/names/a%20b", "a b"),
        ("/names/100%25", "100%"),
        ("/names/~user", "~user"),
        ("/names/%7Euser", "~user"),
        ("/names/a...b", "a...b"),
        ("/names/.hidden", ".hidden"),
        ("/names/...", "..."),
        ("/names/a%2Bb%26c%3Dd%3F%23", "a+b&c=d?#"),
        ("/files/a/b.txt", "a/b.txt"),
        ("/files/.git/c", ".git/c"),
    ],
)
async def test_serves_values_in_a_path_as_clients_encode_them(server: Server, path: str, name: str) -> None:
    answer = await server.ask(f"GET {path}")

    assert (answer.status, answer.json) == (200, {"name": name})


@pytest.mark.parametrize("path", ["/names/%61dmin", "/files/a//b", "/files/a/../b", "/files/a%2Fb", "/names/a%00"])
async def test_does_not_serve_values_that_have_a_plainer_spelling(server: Server, path: str) -> None:
    assert (await server.ask(f"GET {path}")).status == 404
