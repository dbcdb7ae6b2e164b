"""Browsers may call the service only from the origins that a setting names."""

from collections.abc import Sequence

from quart import Quart
from quart_cors import cors

from chassis.http.asgi import Headers, Scope, get_header

ANY_ORIGIN = "*"
EXPOSED_HEADERS = ("ETag", "Link", "Retry-After", "X-Maintenance-Mode", "X-Request-ID")


def register_cors(app: Quart, origins: Sequence[str], headers: Sequence[str] = ()) -> None:
    """Allow pages of these origins to call the service, and to send these headers besides the usual ones."""
    if origins:
        cors(
            app,
            allow_origin=[ANY_ORIGIN] if ANY_ORIGIN in origins else origins,
            allow_headers=["Content-Type", "Authorization", "X-Request-ID", *headers],
            expose_headers=EXPOSED_HEADERS,
        )


class CrossOriginHeaders:
    """Gives a refusal by middleware the headers that `register_cors` gives every other response."""

    def __init__(self, origins: Sequence[str]) -> None:
        self._origins = frozenset(origin.encode() for origin in origins)
        self._allows_all = ANY_ORIGIN in origins
        self._expose = (b"access-control-expose-headers", ", ".join(EXPOSED_HEADERS).encode())

    def for_request(self, scope: Scope) -> Headers:
        """Return the headers for the origin of this request; a cache must tell origins apart, unless all are alike."""
        origin = get_header(scope, b"origin")
        if not self._origins:
            return []
        if origin and self._allows_all:
            return [(b"access-control-allow-origin", b"*"), self._expose]
        if origin in self._origins:
            return [(b"access-control-allow-origin", origin), self._expose, (b"vary", b"Origin")]
        return [(b"vary", b"Origin")]
