from typing import Any

import pytest
from quart.typing import TestClientProtocol as Client
from werkzeug.routing import BaseConverter, Map, Rule

from chassis.app import ChassisApp
from chassis.http.path_parameters import describe_converter, document_path


@pytest.fixture(name="document")
async def _document(client: Client) -> dict[str, Any]:
    document: dict[str, Any] = await (await client.get("/openapi.json")).get_json()
    return document


async def test_documents_every_route(app: ChassisApp, document: dict[str, Any]) -> None:
    undocumented = {
        rule.rule
        for rule in app.url_map.iter_rules()
        if not rule.endpoint.startswith(("openapi", "docs"))
        and not rule.websocket
        and document_path(rule) not in document["paths"]
    }
    assert undocumented == set()


async def test_leaves_out_websockets(document: dict[str, Any]) -> None:
    assert "/catalog/books/{book_id}/news" not in document["paths"]
    assert document["paths"]["/window"].keys() == {"get"}


async def test_documents_what_each_converter_accepts(document: dict[str, Any]) -> None:
    shelf = document["paths"]["/catalog/shelves/{side}/{height}/{code}/{place}"]["get"]
    book = document["paths"]["/catalog/books/{book_id}"]["patch"]

    parameters = {each["name"]: each["schema"] for each in shelf["parameters"] + book["parameters"]}
    assert parameters == {
        "side": {"type": "string", "enum": ["east", "west"]},
        "height": {"type": "number", "minimum": 0},
        "code": {"type": "string", "pattern": "^(?:[^/]{2})$"},
        "place": {"type": "string", "pattern": "^(?:[^/].*?)$"},
        "book_id": {"type": "string", "format": "uuid"},
    }


def test_documents_a_converter_of_the_service_by_its_pattern() -> None:
    class ShelfConverter(BaseConverter):
        regex = "[A-Z]{2}[0-9]+"

    url_map = Map([rule := Rule("/shelves/<shelf('a:b'):shelf>/<other>")], converters={"shelf": ShelfConverter})

    assert document_path(rule) == "/shelves/{shelf}/{other}"
    assert describe_converter(ShelfConverter(url_map)) == {"type": "string", "pattern": "^(?:[A-Z]{2}[0-9]+)$"}


@pytest.mark.parametrize(
    ("converter", "limits"),
    [
        ("int", {"minimum": 0, "maximum": 2**63 - 1}),
        ("int(signed=True)", {"minimum": -(2**63 - 1), "maximum": 2**63 - 1}),
        ("int(min=1, max=9)", {"minimum": 1, "maximum": 9}),
        ("float(signed=True)", {}),
        ("float(max=1.5)", {"minimum": 0, "maximum": 1.5}),
    ],
)
def test_documents_the_limits_of_numbers(converter: str, limits: dict[str, float]) -> None:
    Map([rule := Rule(f"/<{converter}:number>")])

    schema = describe_converter(rule._converters["number"])
    assert {name: limit for name, limit in schema.items() if name != "type"} == limits


async def test_answers_404_for_a_key_that_is_not_a_uuid(client: Client) -> None:
    response = await client.patch("/catalog/books/7", json={"binding": "soft"})

    assert response.status_code == 404


async def test_documents_parameters_of_a_query_without_null(document: dict[str, Any]) -> None:
    parameters = {each["name"]: each for each in document["paths"]["/catalog/books"]["get"]["parameters"]}

    author_ids = parameters["author_id__in"]
    assert parameters["author_id"]["schema"] == {
        "type": "integer",
        "minimum": 1,
        "maximum": 2**63 - 1,
        "title": "Author Id",
    }
    assert (author_ids["style"], author_ids["explode"], author_ids["schema"]["maxItems"]) == ("form", False, 100)
    assert parameters["binding"]["schema"]["$ref"] == "#/components/schemas/Binding"
    assert "`published`" in parameters["sort"]["description"]
    assert "null" not in str(parameters).replace("sold_at__isnull", "").replace("Isnull", "")


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
