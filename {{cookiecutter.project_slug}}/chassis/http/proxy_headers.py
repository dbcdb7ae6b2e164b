"""Anybody may send `X-Forwarded-*`, so values are counted from the right, where each trusted proxy adds one.

The counterpart of Werkzeug's ProxyFix for ASGI: https://werkzeug.palletsprojects.com/en/stable/middleware/proxy_fix/
"""

import re
from collections import defaultdict
from ipaddress import ip_address

from werkzeug.sansio.utils import host_is_trusted

from chassis.http.asgi import ASGIApplication, Headers, Receive, Scope, Send
from chassis.http.hosts import is_host

# A plain path without empty segments, because `//example` in a URL is a host.
_PREFIX = re.compile(r"((?:/(?!\.{1,2}(?:/|$))[\w.~@:+-]+)+)/?", re.ASCII)
_ADDRESS = re.compile(r"\[([^]%]+)\](?::\d+)?|([^:%]+):\d+|([^%]+)")  # with a port, or without
_PORT = re.compile(r":\d+$")
_SECURE = {"http": False, "ws": False, "https": True, "wss": True}


class ProxyHeadersMiddleware:
    """Gives the application client, scheme, host and prefix as they are in front of the proxies.

    A missing or malformed value changes nothing.
    """

    def __init__(self, app: ASGIApplication, hops: int) -> None:
        """`hops` is the number of proxies that a request passes; 0 ignores the headers."""
        self._app = app
        self._hops = hops

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan" and self._hops:
            scope = _scope_before_proxies(scope, self._trusted(scope["headers"]))
        await self._app(scope, receive, send)

    def _trusted(self, headers: Headers) -> dict[str, str]:
        """Return what the outermost proxy wrote, for each header that has enough values."""
        values = defaultdict[str, list[str]](list)
        for name, value in headers:
            key = name.lower()
            if key.startswith(b"x-forwarded-"):
                values[key.decode("latin1")].extend(value.decode("latin1").split(","))
        return {name: each[-self._hops].strip() for name, each in values.items() if len(each) >= self._hops}


def _scope_before_proxies(scope: Scope, trusted: dict[str, str]) -> Scope:
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
    """Return the address; some proxies add a port, which is dropped, and 0 stands for an unknown one."""
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
    """Return the headers with the host in front of the proxies; a wrong `Host` stays, to be refused."""
    hosts = [value for name, value in headers if name.lower() == b"host"]
    if len(hosts) > 1 or not all(map(is_host, hosts)):
        return headers
    before = hosts[0].decode("latin1") if hosts else ""
    after = host if _is_usable(host) else before
    with_port = f"{_PORT.sub('', after)}:{port}"
    after = with_port if _is_usable(with_port) else after
    if after == before:
        return headers
    return [*(header for header in headers if header[0].lower() != b"host"), (b"host", after.encode("latin1"))]


def _is_usable(host: str) -> bool:
    """Check that URLs can be made with this host, for which Werkzeug has stricter rules."""
    return is_host(host.encode("latin1")) and host_is_trusted(host)


def _prefix(value: str) -> str:
    found = _PREFIX.fullmatch(value)
    return found[1] if found else ""
