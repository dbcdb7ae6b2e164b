"""Headers for an API, whose answers are data and never a page: https://cheatsheetseries.owasp.org/cheatsheets/REST_Security_Cheat_Sheet.html"""

from src.api.asgi import ASGIApplication, Message, Receive, Scope, Send

HEADERS = {
    b"cache-control": b"no-store",
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
    b"referrer-policy": b"no-referrer",
    b"x-content-type-options": b"nosniff",
}
BEGINS_ANSWER = {"http.response.start", "websocket.http.response.start"}


class SecurityHeadersMiddleware:
    """Adds to every answer what it does not say itself; that a host is asked over TLS only is for its proxy to say."""

    def __init__(self, app: ASGIApplication) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] in BEGINS_ANSWER:
                given = list(message.get("headers") or ())
                names = {name.lower() for name, _ in given}
                added = [header for header in HEADERS.items() if header[0] not in names]
                message = {**message, "headers": [*given, *added]}
            await send(message)

        await self._app(scope, receive, send_with_headers)
