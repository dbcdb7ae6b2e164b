"""ASGI middleware: sees every connection before the application does, websockets included."""

import asyncio
from contextlib import suppress
from http import HTTPStatus

from src.api.asgi import (
    LINGER_SECONDS,
    ASGIApplication,
    Message,
    Receive,
    Scope,
    Send,
    WatchedBody,
    announces_body,
    drop_body,
    refuse,
)
from src.api.responses import PROBLEM_TYPE, problem_json

NOT_OURS = b"This url does not belong to the app."


class MalformedRequestMiddleware:
    """Refuses with 400 what the server lets through, and what the framework would answer with a 500.

    The URL of a request to a proxy becomes its path: https://www.rfc-editor.org/rfc/rfc9112#section-3.2.2
    """

    def __init__(self, app: ASGIApplication) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if "://" in scope["path"] and not scope["path"].startswith("/"):
            scope = {**scope, "path": "/" + scope["path"].partition("://")[2].partition("/")[2]}
        mistake = _mistake(scope)
        if mistake is None:
            await self._app(scope, receive, send)
            return
        await drop_body(scope, receive)
        headers = [(b"content-type", PROBLEM_TYPE.encode())]
        if scope["http_version"] < "2":
            headers.append((b"connection", b"close"))
        body = problem_json(HTTPStatus.BAD_REQUEST, mistake, scope["path"])
        await refuse(scope, send, HTTPStatus.BAD_REQUEST, headers, body.encode())


def _mistake(scope: Scope) -> str | None:
    if not scope["path"].startswith("/"):
        return "The request has no path"
    names = set()
    for name, value in scope["headers"]:
        names.add(name.lower())
        if name.lower() == b"host" and not _is_name(value):
            return "The header Host is no name of a host"
    if {b"content-length", b"transfer-encoding"} <= names:  # the classic of request smuggling
        return "Content-Length and Transfer-Encoding exclude each other"
    return None


def _is_name(host: bytes) -> bool:
    """As Werkzeug sees it, where no error handler sees what it raises."""
    try:
        host.decode("latin-1").partition(":")[0].encode("idna")
    except UnicodeError:
        return False
    return True


class UnreadBodyMiddleware:
    """Answers an error when the client has sent what it wanted to send, for the reason that `drop_body` gives.

    Quart receives also what no view reads, and forgets what is over the limit.
    """

    def __init__(self, app: ASGIApplication) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not announces_body(scope):
            await self._app(scope, receive, send)
            return
        body = WatchedBody(receive)

        async def send_after_body(message: Message) -> None:
            status = message.get("status", HTTPStatus.OK)
            if status >= HTTPStatus.BAD_REQUEST and status != HTTPStatus.REQUEST_TIMEOUT:
                with suppress(TimeoutError):
                    async with asyncio.timeout(LINGER_SECONDS):
                        await body.ended.wait()
            await send(message)

        await self._app(scope, body.receive, send_after_body)


class ServicePrefixMiddleware:
    """Serves an application under a prefix: `/example/health/live` reaches it as `/health/live`.

    A path outside of the prefix is 404. By the ASGI specification `path` keeps the prefix and `root_path` names it:
    https://asgi.readthedocs.io/en/latest/specs/www.html#http-connection-scope
    """

    def __init__(self, app: ASGIApplication, prefix: str) -> None:
        """`prefix` starts with a slash and does not end with one."""
        self._app = app
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        root_path = scope.get("root_path", "") + self._prefix
        if scope["path"] == root_path:
            scope = {**scope, "path": f"{root_path}/"}
        if scope["path"].startswith(f"{root_path}/"):
            await self._app({**scope, "root_path": root_path}, receive, send)
        else:
            await drop_body(scope, receive)
            await refuse(scope, send, 404, [(b"content-type", b"text/plain; charset=utf-8")], NOT_OURS)
