"""What a server lets through and a framework does not expect; a client of Quart cannot even send it."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from chassis.app import ChassisApp
from chassis.http.asgi import Headers, Message

CHUNKED = (b"transfer-encoding", b"chunked")


async def _answer(app: ChassisApp, path: str, headers: Headers, body: Sequence[bytes] = (b"",)) -> list[Message]:
    """The messages of the application in the order in which it sends them, among those that it has taken."""
    scope: Any = {
        "type": "http",
        "asgi": {},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": headers,
        "extensions": {},
    }
    parts = [{"type": "http.request", "body": part, "more_body": True} for part in body]
    parts[-1]["more_body"] = False
    messages: list[Message] = []

    async def receive() -> Any:  # noqa: ANN401
        message: Message = parts.pop(0) if parts else {"type": "http.disconnect"}
        messages.append(message)
        return message

    async def send(message: Any) -> None:  # noqa: ANN401
        messages.append(message)

    await app(scope, receive, send)
    return messages


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("", []),
        ("*", []),
        ("/health/live", [(b"host", b"a..b")]),
        ("/health/live", [(b"Host", b"a" * 64)]),
        ("/health/live", [(b"content-length", b"1"), CHUNKED]),
    ],
)
async def test_refuses_what_is_no_request(app: ChassisApp, path: str, headers: Headers) -> None:
    *_, start, body = await _answer(app, path, headers)

    problem = json.loads(body["body"])
    assert (start["status"], problem["status"], problem["instance"]) == (400, 400, path)
    assert {(b"content-type", b"application/problem+json"), (b"connection", b"close")} <= set(start["headers"])


@pytest.mark.parametrize("url", ["http://example.com/health/live", "https://[/health/live"])
async def test_a_url_is_as_good_as_its_path(app: ChassisApp, url: str) -> None:
    messages = await _answer(app, url, [(b"host", b"example.com:8080")])

    (start,) = [message for message in messages if message["type"] == "http.response.start"]
    assert start["status"] == 405  # and not 404


async def test_an_error_waits_for_the_end_of_the_body(app: ChassisApp) -> None:
    messages = await _answer(app, "/nowhere", [CHUNKED], [b"x" * 65536] * 40)

    types = [message["type"] for message in messages]
    assert types.index("http.response.start") >= 40
