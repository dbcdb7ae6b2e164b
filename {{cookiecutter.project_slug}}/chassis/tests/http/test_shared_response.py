import pytest

from chassis.http.asgi import Headers, Message
from chassis.http.shared_response import SharedResponse

LENGTH: Headers = [(b"Content-Length", b"2")]


async def send_bodies(headers: Headers, bodies: list[bytes]) -> list[tuple[bytes, bool]]:
    """Send bodies as Quart does, with an empty one at the end; return those that reach the server."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    response = SharedResponse(send)
    await response.send({"type": "http.response.start", "status": 200, "headers": headers})
    for body in bodies:
        await response.send({"type": "http.response.body", "body": body, "more_body": True})
    await response.send({"type": "http.response.body", "body": b"", "more_body": False})
    return [(message["body"], message["more_body"]) for message in sent[1:]]


async def test_a_complete_body_ends_the_response() -> None:
    assert await send_bodies(LENGTH, [b"ab"]) == [(b"ab", False)]


@pytest.mark.parametrize(("headers", "bodies"), [(LENGTH, [b"a", b"b"]), ([], [b"ab"]), (LENGTH, [])])
async def test_other_bodies_end_with_the_message_of_the_application(headers: Headers, bodies: list[bytes]) -> None:
    assert await send_bodies(headers, bodies) == [*((body, True) for body in bodies), (b"", False)]


async def test_a_body_that_is_too_long_reaches_the_server_which_reports_it() -> None:
    assert await send_bodies(LENGTH, [b"ab", b"c"]) == [(b"ab", False), (b"c", True)]
