"""A request is handled in the task of the server, because each task costs as much as several layers.

Quart starts two for a request: one handles it, and one waits until its client leaves. Here the second one is started
for a request with a body, which it receives, and for one that takes longer than 50 ms, see `Client`.
"""

from typing import Any

from quart import Quart
from quart.asgi import ASGIHTTPConnection
from werkzeug.datastructures import Headers

from chassis.http.asgi import Scope, announces_body
from chassis.http.client import Client
from chassis.http.shared_response import share_response

METHODS_WITHOUT_BODY = {"GET", "HEAD", "DELETE"}  # if they have one nevertheless, it is announced, or is received later


class HTTPConnection(ASGIHTTPConnection):
    """Handles one request, and cancels its view when the client leaves."""

    async def __call__(self, receive: Any, send: Any) -> None:  # noqa: ANN401 - Quart's signature
        scope: Any = self.scope
        response, send = share_response(scope, send)
        request = create_request(self.app, scope)
        client = Client(request.body, receive, response)
        if scope["method"] not in METHODS_WITHOUT_BODY or announces_body(scope):
            client.listen()
        async with client:
            await self.handle_request(request, send)


def create_request(app: Quart, scope: Scope) -> Any:  # noqa: ANN401 - the request class of the application
    """Do what Quart does, without the promises of HTTP/2, which browsers ignore."""
    headers = Headers([("Remote-Addr", (scope.get("client") or ["<local>"])[0])])
    for name, value in scope["headers"]:
        headers.add(name.decode("latin1").title(), value.decode("latin1"))
    if scope["http_version"] < "1.1":
        headers.setdefault("Host", app.config["SERVER_NAME"] or "")
    root_path = scope.get("root_path", "")
    return app.request_class(
        scope["method"],
        scope["scheme"],
        _path_below(root_path, scope["path"]),
        scope["query_string"],
        headers,
        root_path,
        scope["http_version"],
        max_content_length=app.config["MAX_CONTENT_LENGTH"],
        body_timeout=app.config["BODY_TIMEOUT"],
        send_push_promise=_ignore_promise,
        scope=scope,  # type: ignore[arg-type]
    )


def _path_below(root_path: str, path: str) -> str:
    """Return the path that routes are compared with, or a blank, which no route has."""
    if root_path and (path == root_path or not path.startswith(root_path)):
        return " "
    return path.removeprefix(root_path)


async def _ignore_promise(path: str, headers: Headers) -> None:
    pass
