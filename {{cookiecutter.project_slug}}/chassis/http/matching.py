"""A route is found only by the plain form of its path, the one that the rules of a proxy name.

Werkzeug drops slashes at the beginning, and servers decode a path before the application sees it. Without this module,
`//admin`, `/%61dmin` and `/%2Fadmin` would be served as `/admin`, although a rule for `/admin` may not match them.
"""

import re
import sys
from collections.abc import Callable
from typing import Self, cast

from quart import Quart, Websocket
from quart.wrappers.base import BaseRequestWebsocket
from werkzeug.exceptions import NotFound

from chassis.http.requests import JSONRequest
from chassis.http.websockets import TrackedWebsocket

if sys.version_info >= (3, 13):  # Quart 0.23, whose only context is that of the application
    from quart.ctx import AppContext as RequestContext
    from quart.ctx import AppContext as WebsocketContext
else:  # Quart 0.22
    from quart.ctx import RequestContext, WebsocketContext

_DOT_SEGMENT = re.compile(r"/\.{1,2}(?:/|$)")
# Letters, digits, and `-`, `.`, `_`, which no client needs to encode (RFC 3986, section 2.3), and the slash.
# Some clients encode `~`, because RFC 2396 wanted it.
_NEEDLESSLY_ENCODED = re.compile(rb"%(?:2[DEF]|3[0-9]|4[1-9A-F]|5[0-9AF]|6[1-9A-F]|7[0-9A])", re.IGNORECASE)


class StrictRequestContext(RequestContext):
    """Finds the route of a request, and applies the limits of its view."""

    def match_request(self) -> None:
        match_plain_path(self.request, super().match_request)
        cast("JSONRequest", self.request).apply_limits(find_view(self.app, self.request))


class StrictWebsocketContext(WebsocketContext):
    """Finds the route of a websocket, and applies the limit of its view."""

    @classmethod
    def create(cls, app: Quart, websocket: Websocket) -> Self:
        if sys.version_info >= (3, 13):
            return cls(app, websocket=websocket)
        return cls(app, websocket)

    def match_request(self) -> None:
        match_plain_path(self.websocket, super().match_request)
        cast("TrackedWebsocket", self.websocket).apply_limits(find_view(self.app, self.websocket))


def find_view(app: Quart, request: BaseRequestWebsocket) -> object:
    """Return the view of a request that has been matched, or None."""
    endpoint = request.endpoint
    return app.view_functions[endpoint] if endpoint else None


def match_plain_path(request: BaseRequestWebsocket, match: Callable[[], None]) -> None:
    if is_plain(request.scope["path"], request.scope.get("raw_path") or b""):  # `request.path` has lost some slashes
        match()
    else:
        request.routing_exception = NotFound()


def is_plain(path: str, raw_path: bytes) -> bool:
    """Check that no other path means the same; `raw_path` is the path as the client sent it.

    NUL is the end of a path for the operating system, and PostgreSQL cannot store it.
    """
    if "//" in path or "\0" in path or ("/." in path and _DOT_SEGMENT.search(path)):
        return False
    return b"%" not in raw_path or not _NEEDLESSLY_ENCODED.search(raw_path.partition(b"?")[0])
