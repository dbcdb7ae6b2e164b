"""Headers for an API, whose answers are data and never a page: https://cheatsheetseries.owasp.org/cheatsheets/REST_Security_Cheat_Sheet.html"""

from chassis.http.asgi import BEGINS_RESPONSE, ASGIApplication, Message, Receive, Scope, Send

SECURITY_HEADERS = {
    b"cache-control": b"no-store",
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
    b"referrer-policy": b"no-referrer",
    b"x-content-type-options": b"nosniff",
}


class SecurityHeadersMiddleware:
    """Adds each header that a response does not set itself; HSTS is the job of the proxy that terminates TLS."""

    def __init__(self, app: ASGIApplication) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] in BEGINS_RESPONSE:
                headers = list(message.get("headers") or ())
                names = {name.lower() for name, _ in headers}
                missing = [header for header in SECURITY_HEADERS.items() if header[0] not in names]
                message = {**message, "headers": [*headers, *missing]}
            await send(message)

        await self._app(scope, receive, send_with_headers)
