"""A client that is still sending gets its error only after it has finished, see `discard_body`."""

import asyncio
from contextlib import suppress
from http import HTTPStatus

from chassis.http.asgi import (
    LINGER_SECONDS,
    ASGIApplication,
    Message,
    Receive,
    Scope,
    Send,
    WatchedBody,
    announces_body,
)


class UnreadBodyMiddleware:
    """Delays an error response until the body has ended.

    `Client` receives the body even if no view reads it, and `BoundedBody` drops what is over the limit.
    """

    def __init__(self, app: ASGIApplication) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not announces_body(scope):
            await self._app(scope, receive, send)
            return
        body = WatchedBody(receive)

        async def send_after_body(message: Message) -> None:
            status = message.get("status", HTTPStatus.OK)
            if status >= HTTPStatus.BAD_REQUEST and status != HTTPStatus.REQUEST_TIMEOUT:
                with suppress(TimeoutError):
                    async with asyncio.timeout(LINGER_SECONDS):
                        await body.ended.wait()
            await send(message)

        await self._app(scope, body.receive, send_after_body)
