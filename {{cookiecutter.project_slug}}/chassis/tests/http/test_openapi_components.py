from typing import Any

import pytest

from chassis.domain.exceptions import ConfigurationError
from chassis.http.openapi_components import Components, component_name

TAG = {"title": "TagSchema", "type": "object", "properties": {"name": {"type": "string"}}}
REFERENCE = {"$ref": "#/components/schemas/TagSchema"}


def list_of(*items: dict[str, Any]) -> dict[str, Any]:
    return {"title": "TagsSchema", "type": "object", "properties": {"tags": {"type": "array", "prefixItems": [*items]}}}


@pytest.mark.parametrize(
    ("title", "key", "name"),
    [
        ("BookSchema", "", "Book"),
        ("Binding", "", "Binding"),
        ("Schema", "", "Schema"),
        ("PageSchema[BookSchema]", "PageSchema_BookSchema_", "BookPage"),
        ("PageSchema[Envelope[BookSchema]]", "", "BookEnvelopePage"),
        ("A book", "BookSchema", "Book"),
        ("", "", ""),
    ],
)
def test_names_a_schema_after_its_class(title: str, key: str, name: str) -> None:
    assert component_name(title, key) == name


def test_gives_a_class_one_schema_if_requests_and_responses_agree() -> None:
    components = Components()
    sent = components.add(list_of(REFERENCE), {"TagSchema": TAG}, "input")
    received = components.add(list_of(REFERENCE), {"TagSchema": TAG}, "output")

    document, schemas = components.resolve({"sent": sent, "received": received})

    assert document == {
        "sent": {"$ref": "#/components/schemas/Tags"},
        "received": {"$ref": "#/components/schemas/Tags"},
    }
    assert schemas.keys() == {"Tag", "Tags"}
    assert schemas["Tags"]["properties"]["tags"]["prefixItems"] == [{"$ref": "#/components/schemas/Tag"}]


def test_gives_a_class_two_schemas_if_a_nested_one_differs() -> None:
    components = Components()
    sent = components.add(list_of(REFERENCE), {"TagSchema": TAG | {"required": ["name"]}}, "input")
    received = components.add(list_of(REFERENCE), {"TagSchema": TAG}, "output")

    document, schemas = components.resolve({"sent": sent, "received": received})

    assert document["sent"] == {"$ref": "#/components/schemas/TagsInput"}
    assert document["received"] == {"$ref": "#/components/schemas/Tags"}
    assert schemas["TagInput"]["required"] == ["name"]
    assert schemas["TagsInput"]["properties"]["tags"]["prefixItems"] == [{"$ref": "#/components/schemas/TagInput"}]


def test_refuses_two_schemas_with_one_name() -> None:
    components = Components()
    components.add(TAG, {}, "output")

    with pytest.raises(ConfigurationError, match="called Tag"):
        components.add(TAG | {"required": ["name"]}, {}, "output")


def test_leaves_a_schema_without_a_name_where_it_is() -> None:
    components = Components()

    assert components.add({"type": "array", "items": REFERENCE}, {"TagSchema": TAG}, "output")["type"] == "array"
    assert components.resolve({})[1].keys() == {"Tag"}
