"""`X-Forwarded-*` is written by proxies and by anybody else, so values count from the right: each proxy adds one.

What werkzeug's ProxyFix is for WSGI, here for ASGI: https://werkzeug.palletsprojects.com/en/stable/middleware/proxy_fix/
"""

import re
from collections import defaultdict
from ipaddress import ip_address

from werkzeug.sansio.utils import host_is_trusted

from src.api.asgi import ASGIApplication, Headers, Receive, Scope, Send

# A plain path; no empty segment, for `//example` in a URL is a host.
_PREFIX = re.compile(r"((?:/(?!\.{1,2}(?:/|$))[\w.~@:+-]+)+)/?", re.ASCII)
_ADDRESS = re.compile(r"\[([^]%]+)\](?::\d+)?|([^:%]+):\d+|([^%]+)")  # with a port, or without
_PORT = re.compile(r":\d+$")
_SECURE = {"http": False, "ws": False, "https": True, "wss": True}


class ProxyHeadersMiddleware:
    """Shows the application client, scheme, host and prefix as they are in front of the proxies.

    A value that is missing or malformed changes nothing.
    """

    def __init__(self, app: ASGIApplication, hops: int) -> None:
        """`hops` is how many proxies a request passes, at least 1."""
        self._app = app
        self._hops = hops

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            scope = _in_front(scope, self._trusted(scope["headers"]))
        await self._app(scope, receive, send)

    def _trusted(self, headers: Headers) -> dict[str, str]:
        """The value that the outermost proxy wrote, of each header that has so many."""
        values = defaultdict[str, list[str]](list)
        for name, value in headers:
            key = name.lower()
            if key.startswith(b"x-forwarded-"):
                values[key.decode("latin1")].extend(value.decode("latin1").split(","))
        return {name: each[-self._hops].strip() for name, each in values.items() if len(each) >= self._hops}


def _in_front(scope: Scope, trusted: dict[str, str]) -> Scope:
    prefix = _prefix(trusted.get("x-forwarded-prefix", "")) if scope["path"].startswith("/") else ""
    return {
        **scope,
        "client": _client(trusted.get("x-forwarded-for", "")) or scope.get("client"),
        "scheme": _scheme(scope, trusted.get("x-forwarded-proto", "")),
        "headers": _with_host(
            scope["headers"], trusted.get("x-forwarded-host", ""), trusted.get("x-forwarded-port", "")
        ),
        "root_path": prefix + scope.get("root_path", ""),
        "path": prefix + scope["path"],
    }


def _client(value: str) -> tuple[str, int] | None:
    """An address, of which some proxies write the port, too; ours is 0, for none is known."""
    found = _ADDRESS.fullmatch(value)
    try:
        return str(ip_address("".join(found.groups("")) if found else "")), 0
    except ValueError:
        return None


def _scheme(scope: Scope, value: str) -> str:
    secure = _SECURE.get(value.lower())
    if secure is None:
        return str(scope["scheme"])
    plain = "ws" if scope["type"] == "websocket" else "http"
    return f"{plain}s" if secure else plain


def _with_host(headers: Headers, host: str, port: str) -> Headers:
    before = next((value.decode("latin1") for name, value in headers if name.lower() == b"host"), "")
    after = host if host_is_trusted(host) else before
    with_port = f"{_PORT.sub('', after)}:{port}"
    after = with_port if host_is_trusted(with_port) else after
    if after == before:
        return headers
    return [*(header for header in headers if header[0].lower() != b"host"), (b"host", after.encode("latin1"))]


def _prefix(value: str) -> str:
    found = _PREFIX.fullmatch(value)
    return found[1] if found else ""
