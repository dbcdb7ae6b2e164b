"""Requests that a server accepts and a framework does not expect; the test client of Quart cannot send them."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from chassis.app import ChassisApp
from chassis.http.asgi import Headers, Message

CHUNKED = (b"transfer-encoding", b"chunked")


async def _send_request(app: ChassisApp, path: str, headers: Headers, body: Sequence[bytes] = (b"",)) -> list[Message]:
    """Return all messages that the application receives and sends, in order."""
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
async def test_refuses_a_malformed_request(app: ChassisApp, path: str, headers: Headers) -> None:
    *_, start, body = await _send_request(app, path, headers)

    problem = json.loads(body["body"])
    assert (start["status"], problem["status"], problem["instance"]) == (400, 400, path)
    assert {(b"content-type", b"application/problem+json"), (b"connection", b"close")} <= set(start["headers"])


@pytest.mark.parametrize("url", ["http://example.com/health/live", "https://[/health/live"])
async def test_serves_an_absolute_url_like_its_path(app: ChassisApp, url: str) -> None:
    messages = await _send_request(app, url, [(b"host", b"example.com:8080")])

    (start,) = [message for message in messages if message["type"] == "http.response.start"]
    assert start["status"] == 405  # a wrong method, so the path was found


async def test_delays_an_error_until_the_body_has_ended(app: ChassisApp) -> None:
    messages = await _send_request(app, "/nowhere", [CHUNKED], [b"x" * 65536] * 40)

    types = [message["type"] for message in messages]
    assert types.index("http.response.start") >= 40
