"""Each change is made to a document of one resource, and either breaks its clients or does not."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from chassis.dev.openapi.breaking_changes import find_breaking_changes

JSONObject = dict[str, Any]
Change = Callable[[JSONObject], object]

TEXT = {"type": "string", "maxLength": 20}
NULLABLE = {"anyOf": [{"type": "string"}, {"type": "null"}]}
BOOK: JSONObject = {
    "type": "object",
    "properties": {
        "id": {"type": "integer"},
        "title": {"type": "string"},
        "note": NULLABLE,
        "state": {"enum": ["draft", "printed"]},
        "tags": {"type": "array", "items": {"$ref": "#/components/schemas/Tag"}},
    },
    "required": ["id", "title"],
}
BODY = {
    "type": "object",
    "properties": {"title": TEXT, "note": NULLABLE, "state": {"enum": ["draft", "printed"]}},
    "required": ["title"],
    "additionalProperties": False,
}


def make_document() -> JSONObject:
    answer = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Book"}}}}
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/BookCreate"}}}
    post = {"operationId": "create_book", "requestBody": {"content": content, "required": True}}
    query = {"in": "query", "name": "limit", "schema": {"type": "integer", "minimum": 1, "maximum": 100}}
    get = {"operationId": "list_books", "parameters": [query], "responses": {"200": answer, "400": {"description": ""}}}
    tag = {"type": "object", "properties": {"name": {"type": "string"}, "books": {"$ref": "#/components/schemas/Book"}}}
    schemas = {"Book": BOOK, "BookCreate": BODY, "Tag": tag}
    return deepcopy(
        {
            "paths": {"/books": {"get": get, "post": {**post, "responses": {"201": answer}}}},
            "components": {"schemas": schemas},
        }
    )


def book(document: JSONObject) -> JSONObject:
    schema: JSONObject = document["components"]["schemas"]["Book"]
    return schema


def body(document: JSONObject) -> JSONObject:
    schema: JSONObject = document["components"]["schemas"]["BookCreate"]
    return schema


def get(document: JSONObject) -> JSONObject:
    operation: JSONObject = document["paths"]["/books"]["get"]
    return operation


BREAKING: dict[str, Change] = {
    "GET /books is gone": lambda it: it["paths"]["/books"].pop("get"),
    "GET /books is called find_books instead of list_books": lambda it: get(it).update(operationId="find_books"),
    "GET /books needs credentials": lambda it: get(it).update(security=[{"key": []}]),
    "GET /books query parameter limit: is gone": lambda it: get(it)["parameters"].clear(),
    "GET /books query parameter limit: is required": lambda it: get(it)["parameters"][0].update(required=True),
    "GET /books query parameter limit: maximum 50": lambda it: get(it)["parameters"][0]["schema"].update(maximum=50),
    "GET /books query parameter limit: integer does not fit string": lambda it: get(it)["parameters"][0].update(
        schema={"type": "string"}
    ),
    "GET /books query parameter shelf: is required": lambda it: get(it)["parameters"].append(
        {"in": "query", "name": "shelf", "schema": {}, "required": True}
    ),
    "GET /books 200: is gone": lambda it: get(it)["responses"].pop("200"),
    "GET /books 200: is not sent as application/json": lambda it: get(it)["responses"]["200"].update(content={}),
    "POST /books body.note: unknown": lambda it: body(it)["properties"].pop("note"),
    "POST /books body.note: may be missing, but is required": lambda it: body(it)["required"].append("note"),
    "POST /books body.note: null does not fit string": lambda it: body(it)["properties"].update(
        note={"type": "string"}
    ),
    "POST /books body.title: maxLength 10": lambda it: body(it)["properties"]["title"].update(maxLength=10),
    "POST /books body.title: pattern ^a": lambda it: body(it)["properties"]["title"].update(pattern="^a"),
    "POST /books body.state: only ['draft'] fits": lambda it: body(it)["properties"]["state"]["enum"].pop(),
    "POST /books 201.title: may be missing, but is required": lambda it: book(it).update(
        required=["id"], properties={name: each for name, each in BOOK["properties"].items() if name != "title"}
    ),
    "POST /books 201.note: is gone": lambda it: book(it)["properties"].pop("note"),
    "POST /books 201.id: number does not fit integer": lambda it: book(it)["properties"]["id"].update(type="number"),
    "POST /books 201.title: null does not fit string": lambda it: book(it)["properties"].update(title=NULLABLE),
    "POST /books 201.state: only ['draft', 'printed'] fits": lambda it: book(it)["properties"]["state"]["enum"].append(
        "sold"
    ),
    "POST /books 201.tags[].name: integer does not fit string": lambda it: it["components"]["schemas"]["Tag"][
        "properties"
    ]["name"].update(type="integer"),
    "POST /books does not take application/json": lambda it: it["paths"]["/books"]["post"]["requestBody"].update(
        content={}
    ),
}
HARMLESS: dict[str, Change] = {
    "a path": lambda it: it["paths"].update({"/authors": it["paths"]["/books"]}),
    "an optional member of a body": lambda it: body(it)["properties"].update(pages={"type": "integer"}),
    "a member of an answer": lambda it: book(it)["properties"].update(pages={"type": "integer"}),
    "a member that is always there": lambda it: book(it)["required"].append("state"),
    "an answer that is never null": lambda it: book(it)["properties"].update(note={"type": "string"}),
    "a longer text": lambda it: body(it)["properties"]["title"].update(maxLength=200),
    "a wider type": lambda it: body(it)["properties"].update(title={"type": ["string", "integer"]}),
    "another value in a body": lambda it: body(it)["properties"]["state"]["enum"].append("sold"),
    "a value less in an answer": lambda it: book(it)["properties"]["state"]["enum"].pop(),
    "an optional member that is no longer required": lambda it: body(it).update(required=[]),
    "a parameter": lambda it: get(it)["parameters"].append({"in": "query", "name": "title", "schema": {}}),
    "an error": lambda it: get(it)["responses"].update({"409": {"description": ""}}),
    "an error less": lambda it: get(it)["responses"].pop("400"),
    "a format of an answer": lambda it: book(it)["properties"]["title"].update(format="uri"),
}


@pytest.mark.parametrize("sentence", BREAKING)
def test_names_a_change_that_breaks_clients(sentence: str) -> None:
    changed = make_document()
    BREAKING[sentence](changed)

    assert sentence in find_breaking_changes(make_document(), changed)


@pytest.mark.parametrize("name", HARMLESS)
def test_accepts_a_change_that_breaks_no_client(name: str) -> None:
    changed = make_document()
    HARMLESS[name](changed)

    assert changed != make_document()
    assert find_breaking_changes(make_document(), changed) == []


def test_compares_a_schema_that_was_moved_to_a_reference() -> None:
    changed = make_document()
    get(changed)["responses"]["200"]["content"]["application/json"]["schema"] = BOOK

    assert find_breaking_changes(make_document(), changed) == []
