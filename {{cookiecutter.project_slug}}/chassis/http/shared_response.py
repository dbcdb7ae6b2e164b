"""The layers that add to a response share one wrapper of `send`, because each wrapper costs time for each message."""

from collections.abc import Iterable, Mapping

from chassis.http.asgi import BEGINS_RESPONSE, Headers, Message, Scope, Send

SHARED = "chassis.response"  # the key under which the first of these layers puts the response into the scope
SWITCHING_PROTOCOLS = 101


class SharedResponse:
    """Adds the headers of all layers to a response, or to the answer to a handshake; `status` is None until then."""

    def __init__(self, send: Send) -> None:
        self.status: int | None = None
        self.headers: Headers = []
        self._defaults: dict[bytes, bytes] = {}
        self._send = send

    def add_defaults(self, headers: Mapping[bytes, bytes]) -> None:
        """Add headers, by lower-case names, that a response may set itself; an accepted handshake has none of them."""
        self._defaults |= headers

    async def send(self, message: Message) -> None:
        if message["type"] in BEGINS_RESPONSE:
            self.status = message["status"]
            message = {**message, "headers": [*self._with_defaults(message.get("headers") or ()), *self.headers]}
        elif message["type"] == "websocket.accept":
            self.status = SWITCHING_PROTOCOLS
            message = {**message, "headers": [*(message.get("headers") or ()), *self.headers]}
        await self._send(message)

    def _with_defaults(self, headers: Iterable[tuple[bytes, bytes]]) -> Headers:
        missing = self._defaults.copy()
        for name, _ in headers:
            missing.pop(name.lower(), None)
        return [*headers, *missing.items()]


def share_response(scope: Scope, send: Send) -> tuple[SharedResponse, Send]:
    """Return the response of this request or websocket, and the function with which the application sends it."""
    if SHARED in scope:
        return scope[SHARED], send
    response = scope[SHARED] = SharedResponse(send)
    return response, response.send
