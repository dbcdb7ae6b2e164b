"""The layers that add to a response share one wrapper of `send`, because each wrapper costs time for each message."""

from collections.abc import Iterable

from chassis.http.asgi import BEGINS_RESPONSE, Headers, Message, Scope, Send

SHARED = "chassis.response"  # the key under which the first of these layers puts the response into the scope
SWITCHING_PROTOCOLS = 101


class SharedResponse:
    """Adds the headers of all layers to a response, or to the answer to a handshake; `status` is None until then.

    A body of the length that `Content-Length` announces ends the response. Quart sends an empty message after it, which
    would cost as much as the body on its way through the server.
    """

    def __init__(self, send: Send) -> None:
        self.status: int | None = None
        self.has_ended = False  # true before the last message is sent
        self.headers: Headers = []
        self.defaults: Headers = []  # with lower-case names; a response may set them itself, a handshake has none
        self._length: bytes | None = None
        self._send = send

    async def send(self, message: Message) -> None:
        kind = message["type"]
        if kind == "http.response.body":
            if self.has_ended and not message.get("body"):
                return
            if b"%d" % len(message.get("body", b"")) == self._length:
                message = {**message, "more_body": False}
            if not message.get("more_body"):
                self.has_ended = True
        elif kind in BEGINS_RESPONSE:
            self.status = message["status"]
            message = {**message, "headers": self._complete(message.get("headers") or ())}
        elif kind == "websocket.accept":
            self.status = SWITCHING_PROTOCOLS
            message = {**message, "headers": [*(message.get("headers") or ()), *self.headers]}
        await self._send(message)

    def _complete(self, headers: Iterable[tuple[bytes, bytes]]) -> Headers:
        values = {name.lower(): value for name, value in headers}
        self._length = values.get(b"content-length")
        return [*headers, *(header for header in self.defaults if header[0] not in values), *self.headers]


def share_response(scope: Scope, send: Send) -> tuple[SharedResponse, Send]:
    """Return the response of this request or websocket, and the function with which the application sends it."""
    if SHARED in scope:
        return scope[SHARED], send
    response = scope[SHARED] = SharedResponse(send)
    return response, response.send
