"""Some malformed requests pass the server, and the framework would answer them with 500."""

from http import HTTPStatus

from chassis.http.asgi import ASGIApplication, Receive, Scope, Send, discard_body, refuse
from chassis.http.problems import PROBLEM_TYPE, problem_body


class MalformedRequestMiddleware:
    """Refuses malformed requests with 400.

    The URL of a request to a proxy is replaced by its path: https://www.rfc-editor.org/rfc/rfc9112#section-3.2.2
    """

    def __init__(self, app: ASGIApplication) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if "://" in scope["path"] and not scope["path"].startswith("/"):
            scope = {**scope, "path": "/" + scope["path"].partition("://")[2].partition("/")[2]}
        mistake = _find_mistake(scope)
        if mistake is None:
            await self._app(scope, receive, send)
            return
        await discard_body(scope, receive)
        headers = [(b"content-type", PROBLEM_TYPE.encode())]
        if scope["http_version"] < "2":
            headers.append((b"connection", b"close"))
        body = problem_body(HTTPStatus.BAD_REQUEST, mistake, scope["path"])
        await refuse(scope, send, HTTPStatus.BAD_REQUEST, headers, body.encode())


def _find_mistake(scope: Scope) -> str | None:
    if not scope["path"].startswith("/"):
        return "The request has no path"
    names = set()
    for name, value in scope["headers"]:
        names.add(name.lower())
        if name.lower() == b"host" and not _is_host_name(value):
            return "The header Host is not a host name"
    if {b"content-length", b"transfer-encoding"} <= names:  # a way to smuggle requests
        return "Content-Length and Transfer-Encoding exclude each other"
    return None


def _is_host_name(host: bytes) -> bool:
    """Encode the name as Werkzeug does later, where no error handler catches what it raises."""
    try:
        host.decode("latin-1").partition(":")[0].encode("idna")
    except UnicodeError:
        return False
    return True
