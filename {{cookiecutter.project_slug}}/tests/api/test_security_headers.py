import pytest
from quart.typing import TestClientProtocol as Client

from src.api.asgi import Message, Receive, Scope, Send
from src.api.security_headers import HEADERS, SecurityHeadersMiddleware
from src.create_app import Service
from src.domain.service_context import ServiceContext


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/nowhere"])
async def test_every_answer_has_them(client: Client, path: str) -> None:
    response = await client.get(path)

    for name, value in HEADERS.items():
        assert response.headers.getlist(name.decode()) == [value.decode()]


async def test_a_refusal_has_them(app: Service, client: Client) -> None:
    state = app.container.maintenance_state()
    await state.change(ServiceContext(maintenance=True, version=1))

    response = await client.get("/nowhere")

    assert response.status_code == 503
    assert response.headers.getlist("Cache-Control") == ["no-store"]
    assert response.headers["X-Content-Type-Options"] == "nosniff"


async def test_what_an_answer_says_itself_stays() -> None:
    async def application(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"Cache-Control", b"max-age=60")]})

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request"}

    await SecurityHeadersMiddleware(application)({"type": "http"}, receive, send)

    assert [value for name, value in sent[0]["headers"] if name.lower() == b"cache-control"] == [b"max-age=60"]
    assert len(sent[0]["headers"]) == len(HEADERS)
