"""A JSON body is checked before a view sees it."""

import pytest
from quart import Blueprint, Quart, Request
from quart.typing import TestClientProtocol as Client

from chassis.app import ChassisApp
from chassis.config import ChassisConfig
from chassis.http.requests import JSONRequest
from chassis.tests.sample.create_app import create_app

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize("body", [b'{"title": "\xff"}', b"[" * 60, b"{", b"NaNs"])
async def test_refuses_a_body_that_is_not_valid_json(client: Client, body: bytes) -> None:
    response = await client.post("/echo", data=body, headers=JSON)

    problem = await response.get_json(force=True)
    assert (response.status_code, problem["status"]) == (400, 400)
    assert problem["error_message"] == "The body is not valid JSON"


async def test_refuses_a_body_of_another_media_type(client: Client) -> None:
    response = await client.post("/echo", data=b"x", headers={"Content-Type": "text/plain"})

    problem = await response.get_json(force=True)
    assert (response.status_code, problem["status"]) == (415, 415)
    assert "Content-Type: application/json" in problem["error_message"]


@pytest.mark.parametrize("headers", [{}, JSON])
async def test_treats_an_empty_body_as_no_body(client: Client, headers: dict[str, str]) -> None:
    response = await client.post("/echo", headers=headers)

    assert (response.status_code, await response.get_json()) == (200, {"body": None})


async def test_refuses_a_body_over_the_limit(app: ChassisApp, config: ChassisConfig) -> None:
    client = create_app(config.model_copy(update={"MAX_CONTENT_LENGTH": 10})).test_client()

    small, large = [await client.post("/echo", json={"a": value}) for value in (1, "x" * 10)]

    problem = await large.get_json(force=True)
    assert (small.status_code, large.status_code, problem["status"]) == (200, 413, 413)


@pytest.mark.parametrize("body", [b"[" * 100_000, b"{", b'"\xff"'])
async def test_returns_none_for_invalid_json_if_errors_are_silent(body: bytes) -> None:
    app = Quart(__name__)
    app.request_class = JSONRequest

    async with app.test_request_context("/", method="POST", data=body, headers=JSON) as context:
        assert await context.request.get_json(silent=True) is None


@pytest.mark.parametrize(("path", "names"), [("/", []), ("/inner", ["outer.inner", "outer"]), ("/nowhere", [])])
async def test_names_blueprints_as_quart_does(path: str, names: list[str]) -> None:
    app = Quart(__name__)
    app.request_class = JSONRequest
    outer, inner = Blueprint("outer", __name__), Blueprint("inner", __name__)
    inner.add_url_rule("/inner", "view", view_func=dict)
    outer.register_blueprint(inner)
    app.register_blueprint(outer)
    app.add_url_rule("/", "view", view_func=dict)

    async with app.test_request_context(path) as context:
        request = context.request

    assert Request.blueprints.fget(request) == request.blueprints == names  # type: ignore[attr-defined]
