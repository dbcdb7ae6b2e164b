"""Headers for an API, whose answers are data and never a page: https://cheatsheetseries.owasp.org/cheatsheets/REST_Security_Cheat_Sheet.html"""

from chassis.http.asgi import ASGIApplication, Receive, Scope, Send
from chassis.http.shared_response import share_response

SECURITY_HEADERS = [
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
]


class SecurityHeadersMiddleware:
    """Adds each header that a response does not set itself; HSTS is the job of the proxy that terminates TLS."""

    def __init__(self, app: ASGIApplication) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            response, send = share_response(scope, send)
            response.defaults = SECURITY_HEADERS
        await self._app(scope, receive, send)
