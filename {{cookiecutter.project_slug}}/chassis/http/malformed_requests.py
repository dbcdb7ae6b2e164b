"""Some malformed requests pass the server, and the framework would answer them with 500."""

from collections.abc import Sequence
from http import HTTPStatus

from chassis.http.asgi import ASGIApplication, Receive, Scope, Send, discard_body, refuse
from chassis.http.cors import CrossOriginHeaders
from chassis.http.hosts import is_host
from chassis.http.problems import PROBLEM_TYPE, problem_body

MAX_PARAMETERS = 1000
_FRAMING = {b"content-length", b"transfer-encoding"}


class MalformedRequestMiddleware:
    """Refuses malformed requests with 400.

    The URL of a request to a proxy is replaced by its path: https://www.rfc-editor.org/rfc/rfc9112#section-3.2.2
    """

    def __init__(self, app: ASGIApplication, origins: Sequence[str] = ()) -> None:
        """`origins` may read the refusal in a browser."""
        self._app = app
        self._cross_origin = CrossOriginHeaders(origins)

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
        headers = [(b"content-type", PROBLEM_TYPE.encode()), *self._cross_origin.for_request(scope)]
        if scope.get("http_version", "1.1") < "2":
            headers.append((b"connection", b"close"))
        body = problem_body(HTTPStatus.BAD_REQUEST, mistake, scope["path"])
        await refuse(scope, send, HTTPStatus.BAD_REQUEST, headers, body.encode())


def _find_mistake(scope: Scope) -> str | None:
    if not scope["path"].startswith("/"):
        return "The request has no path"
    if scope.get("query_string", b"").count(b"&") >= MAX_PARAMETERS:  # parsing more of them takes too long
        return f"The query string has more than {MAX_PARAMETERS} parameters"
    hosts, framing = [], set()
    for name, value in scope["headers"]:
        lower = name.lower()
        if lower == b"host":
            hosts.append(value)
        elif lower in _FRAMING:
            framing.add(lower)
    if not _has_one_host(hosts, scope.get("http_version", "1.1")):
        return "The header Host must be there once, and be a host name or an IP address"
    if len(framing) > 1:  # a way to smuggle requests
        return "Content-Length and Transfer-Encoding exclude each other"
    return None


def _has_one_host(hosts: Sequence[bytes], http_version: str) -> bool:
    """Apply RFC 9112, section 3.2; only HTTP/1.1 requires the header."""
    if len(hosts) != 1:
        return not hosts and http_version != "1.1"
    return is_host(hosts[0]) or (not hosts[0] and http_version < "1.1")
