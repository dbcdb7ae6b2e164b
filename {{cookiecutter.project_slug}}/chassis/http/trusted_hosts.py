"""A request for a host that is not ours is refused: a page of any site could send one through DNS rebinding.

Such a page has its own name point to 127.0.0.1, and is then of the same origin as the service of a developer.
"""

from collections.abc import Iterable
from functools import lru_cache
from http import HTTPStatus
from ipaddress import ip_address

from chassis.http.asgi import ASGIApplication, Receive, Scope, Send, discard_body, refuse
from chassis.http.problems import PROBLEM_TYPE, problem_body

NOT_TRUSTED = "This service does not answer to the name in the header Host: TRUSTED_HOSTS lists those to which it does."


class TrustedHostsMiddleware:
    """Answers 400 to requests and handshakes for other hosts; those without a host come from no browser."""

    def __init__(
        self, app: ASGIApplication, hosts: Iterable[str], *, trust_loopback: bool, exempt: Iterable[str]
    ) -> None:
        """`hosts` are names, addresses, patterns such as `*.example.com`, or `*` for any.

        `trust_loopback` adds localhost, names below it and loopback addresses. `exempt` are exact paths of probes,
        which ask an instance by its address.
        """
        names = {host.lower() for host in hosts}
        self._app = app
        self._trust_any = "*" in names
        self._names = frozenset(names)
        self._suffixes = tuple(name[1:] for name in names if name.startswith("*."))
        self._trust_loopback = trust_loopback
        self._exempt = frozenset(path for each in exempt for path in (each, f"{each}/"))
        self._is_trusted_host = lru_cache(maxsize=256)(self._compare)  # few hosts come often

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._trust_any or scope["type"] == "lifespan" or self._is_trusted(scope):
            await self._app(scope, receive, send)
            return
        await discard_body(scope, receive)
        body = problem_body(HTTPStatus.BAD_REQUEST, NOT_TRUSTED, scope["path"])
        await refuse(scope, send, HTTPStatus.BAD_REQUEST, [(b"content-type", PROBLEM_TYPE.encode())], body.encode())

    def _is_trusted(self, scope: Scope) -> bool:
        for name, value in scope["headers"]:
            if name.lower() == b"host" and value and not self._is_trusted_host(value):
                return scope["path"].removeprefix(scope.get("root_path", "")) in self._exempt
        return True

    def _compare(self, host: bytes) -> bool:
        name = _host_name(host.decode("latin-1"))
        if name in self._names or name.endswith(self._suffixes):
            return True
        return self._trust_loopback and _is_loopback(name)


def _host_name(host: str) -> str:
    """Return the name or address of a Host header, without its port, in lower case."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower().removesuffix(".")


def _is_loopback(name: str) -> bool:
    """Names below localhost are loopback names as well: https://www.rfc-editor.org/rfc/rfc6761#section-6.3"""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ip_address(name)
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback
