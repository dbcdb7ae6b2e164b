from typing import Any

import pytest
from quart.typing import TestClientProtocol as Client

from chassis.app import ChassisApp


@pytest.fixture(name="document")
async def _document(client: Client) -> dict[str, Any]:
    document: dict[str, Any] = await (await client.get("/openapi.json")).get_json()
    return document


async def test_documents_every_route(app: ChassisApp, document: dict[str, Any]) -> None:
    undocumented = {
        rule.rule
        for rule in app.url_map.iter_rules()
        if not rule.endpoint.startswith(("openapi", "docs"))
        and rule.rule.replace("<int:", "{").replace(">", "}") not in document["paths"]
    }
    assert undocumented == set()


async def test_documents_the_errors_of_every_operation(document: dict[str, Any]) -> None:
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
            assert errors < operation["responses"].keys()  # it has a successful answer, too
    assert list(document["components"]["responses"]["Problem"]["content"]) == ["application/problem+json"]


async def test_documents_503_only_where_it_can_occur(document: dict[str, Any]) -> None:
    paths = document["paths"]

    assert "503" not in paths["/health/live"]["get"]["responses"]
    assert "503" in paths["/health/ready"]["get"]["responses"]
    assert "503" in paths["/echo"]["post"]["responses"]


async def test_documents_the_token_of_the_maintenance_window(document: dict[str, Any]) -> None:
    operations = document["paths"]["/v1/service-context"]

    (scheme,) = operations["patch"]["security"][0]
    assert document["components"]["securitySchemes"][scheme] == {"type": "http", "scheme": "bearer"}
    assert "security" not in operations["get"]


async def test_documents_that_a_body_is_required_and_not_empty(document: dict[str, Any]) -> None:
    body = document["paths"]["/v1/service-context"]["patch"]["requestBody"]

    schema = body["content"]["application/json"]["schema"]
    assert body["required"] is True
    assert (schema["minProperties"], schema["additionalProperties"]) == (1, False)
