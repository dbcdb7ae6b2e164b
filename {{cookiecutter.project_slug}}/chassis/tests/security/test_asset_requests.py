"""Requests for files of the docs page: an unknown name is a 404, and odd headers are ignored."""

import re
from collections.abc import AsyncIterator

import pytest

from chassis.app import ChassisApp
from chassis.config import ChassisConfig
from chassis.tests.sample.create_app import create_app
from chassis.tests.security.raw_http import Server, serving_on_loopback

ASSET = "/docs/assets/swagger-ui.css"


@pytest.fixture(name="server", scope="module")
async def _server(running_app: ChassisApp, config: ChassisConfig) -> AsyncIterator[Server]:
    other = create_app(config)
    other.container.database.override(running_app.container.database())
    async with serving_on_loopback(other) as server:
        yield server
    running_app.wire()


@pytest.mark.parametrize(
    "name",
    [
        "a" * 255,
        "a" * 256,
        "a" * 300,
        "a" * 5000,
        "a/" * 3000,
        "%00",
        "swagger-ui.css%00",
        "swagger-ui.css%00.js",
        "swagger-ui.css/",
        "swagger-ui.css/x",
        "SWAGGER-UI.CSS",
        "./swagger-ui.css",
        "..",
        "../dist/swagger-ui.css",
        "..%2Fdist%2Fswagger-ui.css",
        "%2e%2e/__init__.py",
        "..%5C__init__.py",
        "%2Fetc%2Fhosts",
        "/etc/hosts",
        "C:%5Cwindows%5Cwin.ini",
        "%FF%FE",
        "%C3%BC",
        "%0d%0aX:1",
        "con",
        "~root",
        "*",
        "",
    ],
)
async def test_does_not_find_another_name(server: Server, name: str) -> None:
    answer = await server.ask(f"GET /docs/assets/{name}")

    assert (answer.status, answer.problem["title"]) == (404, "Not Found")


@pytest.mark.parametrize(
    "value",
    [
        "lines=1-2",
        "items=0-",
        "bytes",
        "bytes=",
        "bytes=a-b",
        "bytes=5-2",
        "bytes=-",
        "bytes=--1",
        "bytes=-0",
        "bytes=0-0",
        "bytes=0-1,2-3",
        "bytes=" + ",".join(f"{start}-" for start in range(1000)),
        "bytes=999999999999-",
        "bytes=0-" + "9" * 5000,
        "BYTES=0-1",
        "=0-1",
        "bytes 0-1",
        "\xff=0-1",
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_ignores_a_range(server: Server, method: str, value: str) -> None:
    whole = await server.ask(f"{method} {ASSET}")

    for more in (b"If-Range: x", b'If-Range: "x"', b"If-Range: " + whole.headers["etag"].encode(), b"X: y"):
        answer = await server.ask(f"{method} {ASSET}", [b"Range: " + value.encode("latin-1"), more])
        assert (answer.status, answer.body) == (200, whole.body)
        assert answer.headers["content-length"] == whole.headers["content-length"]
        assert "content-range" not in answer.headers


@pytest.mark.parametrize("name", ["If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range"])
@pytest.mark.parametrize(
    "value",
    [
        "",
        '"',
        "W/",
        'W/"x',
        '"a","b",,,"c',
        '"x"' * 1000,
        "\xff",
        "yesterday",
        "Mon, 99 Foo 99999 99:99:99 GMT",
        "Thu, 01 Jan 1970 00:00:00",
        "Fri, 31 Dec 0000 00:00:00 GMT",
        "9" * 5000,
        "Thu, 01 Jan 1970 00:00:00 +9999",
        "Thu, 01 Jan 1970 00:00:00 -99999999",
    ],
)
async def test_ignores_a_condition_that_is_malformed(server: Server, name: str, value: str) -> None:
    answer = await server.ask(f"GET {ASSET}", [name.encode() + b": " + value.encode("latin-1")])

    assert answer.status == 200
    assert len(answer.body) == int(answer.headers["content-length"])


async def test_answers_a_condition_that_holds(server: Server) -> None:
    whole = await server.ask(f"GET {ASSET}")
    tag, changed = whole.headers["etag"].encode(), whole.headers["last-modified"].encode()

    for header in (b"If-None-Match: " + tag, b"If-None-Match: W/" + tag, b"If-Modified-Since: " + changed):
        answer = await server.ask(f"GET {ASSET}", [header, b"Range: lines=1-2"])
        assert (answer.status, answer.body) == (304, b"")


async def test_the_page_leaves_no_directive_open_that_has_no_default(server: Server) -> None:
    """https://www.w3.org/TR/CSP3/#directive-default-src does not cover base-uri, form-action and frame-ancestors."""
    answer = await server.ask("GET /docs")

    directives = dict(re.findall(r"([a-z-]+) ([^;]+)", answer.headers["content-security-policy"]))
    assert directives == {
        "default-src": "'self'",
        "img-src": "'self' data:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }


@pytest.mark.parametrize(
    "line",
    [
        "GET /docs",
        f"GET {ASSET}",
        "GET /docs/start.js",
        "GET /nowhere",
        "PUT /docs",
        "GET /health/live",
        "OPTIONS /docs",
    ],
)
async def test_every_answer_has_the_security_headers(server: Server, line: str) -> None:
    headers = (await server.ask(line)).headers

    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "server" not in headers
    assert headers["cache-control"] == ("public, max-age=3600" if ASSET in line else "no-store")
