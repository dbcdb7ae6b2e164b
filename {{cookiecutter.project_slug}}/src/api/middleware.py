"""ASGI middleware: sees every connection before the application does, websockets included."""

from src.api.asgi import ASGIApplication, Receive, Scope, Send, drop_body, refuse

NOT_OURS = b"This url does not belong to the app."


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
