import pytest
from quart.typing import TestClientProtocol as Client

from chassis.app import ChassisApp
from chassis.config import ChassisConfig
from chassis.http.asgi import Message, Receive, Scope, Send
from chassis.http.security_headers import SECURITY_HEADERS, SecurityHeadersMiddleware
from chassis.maintenance.service_context import ServiceContext
from chassis.tests.sample.create_app import create_app


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/nowhere"])
async def test_adds_the_headers_to_every_response(client: Client, path: str) -> None:
    response = await client.get(path)

    for name, value in SECURITY_HEADERS:
        assert response.headers.getlist(name.decode()) == [value.decode()]


async def test_adds_the_headers_to_a_refusal_of_the_gate(app: ChassisApp, client: Client) -> None:
    state = app.container.maintenance_state()
    await state.apply_change(ServiceContext(maintenance=True, version=1))

    response = await client.get("/nowhere")

    assert response.status_code == 503
    assert response.headers.getlist("Cache-Control") == ["no-store"]
    assert response.headers["X-Content-Type-Options"] == "nosniff"


async def test_keeps_a_header_that_a_response_sets_itself() -> None:
    async def application(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"Cache-Control", b"max-age=60")]})

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request"}

    await SecurityHeadersMiddleware(application)({"type": "http"}, receive, send)

    assert [value for name, value in sent[0]["headers"] if name.lower() == b"cache-control"] == [b"max-age=60"]
    assert len(sent[0]["headers"]) == len(SECURITY_HEADERS)


@pytest.mark.parametrize("maintenance", [False, True])
async def test_allows_any_origin_if_configured_but_never_credentials(
    app: ChassisApp, config: ChassisConfig, maintenance: bool
) -> None:
    other = create_app(config.model_copy(update={"CORS_ORIGINS": ("*",)}))
    await other.container.maintenance_state().apply_change(ServiceContext(maintenance=maintenance, version=1))
    origin = {"Origin": "https://anywhere.example"}
    preflight = {**origin, "Access-Control-Request-Method": "PATCH"}

    client = other.test_client()
    for response in (
        await client.get("/health/nowhere", headers=origin),
        await client.options("/health/nowhere", headers=preflight),
    ):
        assert response.headers["Access-Control-Allow-Origin"] in ("*", "https://anywhere.example")
        assert "Access-Control-Allow-Credentials" not in response.headers


async def test_allows_no_other_origin_by_default(client: Client) -> None:
    response = await client.get("/health/live", headers={"Origin": "https://anywhere.example"})

    assert not [name for name, _ in response.headers if name.lower().startswith("access-control")]
