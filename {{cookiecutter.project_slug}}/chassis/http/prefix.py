"""The service prefix: everything is served below one path, and a path outside it is refused."""

from collections.abc import Sequence

from chassis.http.asgi import ASGIApplication, Receive, Scope, Send, discard_body, refuse
from chassis.http.cors import CrossOriginHeaders

NOT_FOUND_MESSAGE = b"This url does not belong to the app."  # what the Flask template answered


class ServicePrefixMiddleware:
    """Serves an application below a prefix: `/example/health/live` reaches it as `/health/live`.

    As the ASGI specification requires, `path` keeps the prefix and `root_path` names it:
    https://asgi.readthedocs.io/en/latest/specs/www.html#http-connection-scope
    """

    def __init__(self, app: ASGIApplication, prefix: str, origins: Sequence[str] = ()) -> None:
        """`prefix` is empty, or starts with a slash and does not end with one; `origins` may read the refusal."""
        self._app = app
        self._prefix = prefix
        self._cross_origin = CrossOriginHeaders(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or not self._prefix:
            await self._app(scope, receive, send)
            return
        root_path = scope.get("root_path", "") + self._prefix
        if scope["path"] == root_path:
            scope = {**scope, "path": f"{root_path}/"}
        if scope["path"].startswith(f"{root_path}/"):
            await self._app({**scope, "root_path": root_path}, receive, send)
            return
        await discard_body(scope, receive)
        headers = [(b"content-type", b"text/plain; charset=utf-8"), *self._cross_origin.for_request(scope)]
        await refuse(scope, send, 404, headers, NOT_FOUND_MESSAGE)
