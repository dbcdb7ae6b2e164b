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


def find_schema(document: dict[str, Any], content: dict[str, Any]) -> dict[str, Any]:
    """Return the named schema of a body or a response."""
    (media,) = content["content"].values()
    schema: dict[str, Any] = document["components"]["schemas"][media["schema"]["$ref"].rpartition("/")[2]]
    return schema


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
    }
    assert (author_ids["style"], author_ids["explode"], author_ids["schema"]["maxItems"]) == ("form", False, 100)
    assert parameters["binding"]["schema"]["$ref"] == "#/components/schemas/Binding"
    assert "`published`" in parameters["sort"]["description"]
    assert "null" not in str(parameters).replace("sold_at__isnull", "").replace("Isnull", "")


async def test_documents_the_errors_of_every_operation(document: dict[str, Any]) -> None:
    for path, operations in document["paths"].items():
        for operation in operations.values():
            errors = {status for status, answer in operation["responses"].items() if "$ref" in answer}
            expected = {"400"}
            if "{" in path:
                expected |= {"404"}
            if "requestBody" in operation:
                expected |= {"408", "409", "413", "415"}
            if "security" in operation:
                expected |= {"401", "403"}
            assert expected <= errors
            assert errors < operation["responses"].keys()  # it has a successful answer, too
    problems = document["components"]["responses"]
    assert {media for each in problems.values() for media in each["content"]} == {"application/problem+json"}


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
    assert document["security"] == []


async def test_documents_that_a_body_is_required_and_not_empty(document: dict[str, Any]) -> None:
    body = document["paths"]["/v1/service-context"]["patch"]["requestBody"]

    schema = find_schema(document, body)
    assert body["required"] is True
    assert (schema["minProperties"], schema["additionalProperties"]) == (1, False)


async def test_names_each_operation_after_its_view(document: dict[str, Any]) -> None:
    operations = {
        f"{method} {path}": operation["operationId"]
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }

    assert operations["get /health/live"] == "health_live"
    assert operations["patch /v1/service-context"] == "update_service_context"
    assert operations["get /catalog/books"] == "list_books"
    assert len(set(operations.values())) == len(operations)


async def test_describes_each_operation_and_each_tag(document: dict[str, Any]) -> None:
    for methods in document["paths"].values():
        for operation in methods.values():
            assert operation["summary"]
            assert operation["description"]
            assert all(each.get("description", "named") for each in operation["responses"].values())
            assert set(operation["tags"]) <= {tag["name"] for tag in document["tags"]}
    assert all(tag["description"] for tag in document["tags"])


async def test_names_each_schema_after_its_class(document: dict[str, Any]) -> None:
    bodies = [
        body
        for methods in document["paths"].values()
        for operation in methods.values()
        for body in (operation.get("requestBody"), *operation["responses"].values())
        if body and "application/json" in body.get("content", {})
    ]

    schemas = document["components"]["schemas"]
    assert bodies
    assert all("$ref" in body["content"]["application/json"]["schema"] for body in bodies)
    assert {"Book", "BookCursorPage", "Problem", "MaintenanceProblem", "ServiceContextUpdate"} <= schemas.keys()
    assert all(schema["title"] == name for name, schema in schemas.items())


async def test_documents_the_headers_of_responses(document: dict[str, Any]) -> None:
    responses = document["components"]["responses"]
    service_context = document["paths"]["/v1/service-context"]["get"]["responses"]["200"]

    assert responses["Unavailable"]["headers"].keys() == {"Retry-After", "X-Maintenance-Mode"}
    assert responses["TooManyRequests"]["headers"].keys() == {"Retry-After"}
    assert responses["Unauthorized"]["headers"].keys() == {"WWW-Authenticate"}
    assert service_context["headers"].keys() == {"ETag"}
    assert document["paths"]["/catalog/books"]["get"]["responses"]["200"]["headers"].keys() == {"Link"}


async def test_documents_the_refusal_of_a_maintenance_window(document: dict[str, Any]) -> None:
    (content,) = document["components"]["responses"]["Unavailable"]["content"].values()

    names = [each["$ref"].rpartition("/")[2] for each in content["schema"]["anyOf"]]
    assert names == ["MaintenanceProblem", "Problem"]  # the first that fits
    assert {"since", "expected_end", "message"} <= set(document["components"]["schemas"][names[0]]["required"])


async def test_names_licence_and_authors(document: dict[str, Any]) -> None:
    assert document["info"]["license"].keys() == {"name", "identifier"}
    assert document["info"]["contact"].keys() == {"name"}
