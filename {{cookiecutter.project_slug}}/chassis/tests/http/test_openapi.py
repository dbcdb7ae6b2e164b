from typing import Any

import pytest
from quart.typing import TestClientProtocol as Client

from chassis.app import ChassisApp
from chassis.http.schemas.body import BodySchema


@pytest.fixture(name="document")
async def _document(client: Client) -> dict[str, Any]:
    document: dict[str, Any] = await (await client.get("/openapi.json")).get_json()
    return document


async def test_every_route_is_documented(app: ChassisApp, document: dict[str, Any]) -> None:
    undocumented = {
        rule.rule
        for rule in app.url_map.iter_rules()
        if not rule.endpoint.startswith(("openapi", "docs"))
        and rule.rule.replace("<int:", "{").replace(">", "}") not in document["paths"]
    }
    assert undocumented == set()


async def test_every_operation_documents_its_errors(document: dict[str, Any]) -> None:
    problem = {"$ref": "#/components/responses/Problem"}
    for path, operations in document["paths"].items():
        for operation in operations.values():
            errors = {status for status, answer in operation["responses"].items() if answer == problem}
            expected = {"400"}
            if "{" in path:
                expected |= {"404"}
            if "requestBody" in operation:
                expected |= {"408", "409", "413", "415"}
            if "security" in operation:
                expected |= {"401", "403"}
            assert expected <= errors
            assert errors < operation["responses"].keys()  # there is an answer that is no error
    assert list(document["components"]["responses"]["Problem"]["content"]) == ["application/problem+json"]


async def test_what_maintenance_cannot_refuse_does_not_say_so(document: dict[str, Any]) -> None:
    paths = document["paths"]

    assert "503" not in paths["/health/live"]["get"]["responses"]
    assert "503" in paths["/health/ready"]["get"]["responses"]


async def test_the_switch_says_that_it_wants_a_token(document: dict[str, Any]) -> None:
    switch = document["paths"]["/v1/service-context"]

    (scheme,) = switch["patch"]["security"][0]
    assert document["components"]["securitySchemes"][scheme] == {"type": "http", "scheme": "bearer"}
    assert "security" not in switch["get"]


async def test_a_body_must_be_there_and_hold_something(document: dict[str, Any]) -> None:
    body = document["paths"]["/v1/service-context"]["patch"]["requestBody"]

    schema = body["content"]["application/json"]["schema"]
    assert body["required"] is True
    assert (schema["minProperties"], schema["additionalProperties"]) == (1, False)


def test_a_field_that_is_absent_has_no_default() -> None:
    class Update(BodySchema):
        title: str = ""

    assert "default" not in Update.model_json_schema()["properties"]["title"]
