from typing import Any

import pytest
from pydantic import BaseModel, ValidationError
from quart.typing import TestClientProtocol as Client

from chassis.domain.pagination import Page
from chassis.http.schemas.page import CursorPageSchema, PageQuery, PageSchema, page_schema
from chassis.tests.sample.controllers.catalog.items import ItemQuery

DEFAULTS = {"page": 1, "per_page": 10, "itemized": False}
PATH = "/catalog/items"


@pytest.mark.parametrize(
    ("query_string", "params"),
    [
        ({}, DEFAULTS),
        ({"page": "3", "per_page": "20"}, {**DEFAULTS, "page": 3, "per_page": 20}),
        ({"page": "three", "per_page": "-1"}, DEFAULTS),
        ({"page": ["1", "2"]}, DEFAULTS),
        ({"per_page": "1000"}, {**DEFAULTS, "per_page": 100}),
        ({"itemized": "true"}, {**DEFAULTS, "itemized": True}),
        ({"itemize": "true"}, {**DEFAULTS, "itemized": True}),
        ({"itemized": "perhaps"}, DEFAULTS),
        ({"unknown": "x"}, DEFAULTS),
    ],
)
def test_reads_paging_leniently(query_string: dict[str, Any], params: dict[str, Any]) -> None:
    assert PageQuery.model_validate(query_string).params() == params


def test_returns_the_filters_that_were_sent_as_params() -> None:
    query = ItemQuery.model_validate({"page": "2", "max_price": "5"})

    assert query.params() == {**DEFAULTS, "page": 2, "max_price": 5}


@pytest.mark.parametrize("query_string", [{"max_price": "cheap"}, {"max_price": "-1"}, {"name": ["a", "b"]}])
def test_validates_filters(query_string: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as raised:
        ItemQuery.model_validate(query_string)

    assert [error["loc"] for error in raised.value.errors()] == [tuple(query_string)]


async def test_answers_a_wrong_filter_with_400_and_a_wrong_page_with_the_first(client: Client) -> None:
    wrong_filter = await client.get(f"{PATH}?page=x&max_price=cheap")
    wrong_page = await client.get(f"{PATH}?page=x&max_price=5")

    assert (wrong_filter.status_code, wrong_page.status_code) == (400, 200)
    assert list((await wrong_filter.get_json(force=True))["error_message"]) == ["max_price"]
    assert await wrong_page.get_json() == {**DEFAULTS, "max_price": 5}


async def test_documents_paging_and_filters(client: Client) -> None:
    document = await (await client.get("/openapi.json")).get_json()

    parameters = {parameter["name"]: parameter for parameter in document["paths"][PATH]["get"]["parameters"]}
    assert parameters.keys() == {"page", "per_page", "name", "max_price"}
    assert {parameter["in"] for parameter in parameters.values()} == {"query"}
    assert parameters["per_page"]["schema"] == {"type": "integer", "minimum": 1, "maximum": 100, "default": 10}
    assert parameters["name"]["description"] == "Only items with exactly this name."


@pytest.mark.parametrize(("itemized", "members"), [(False, ["items", "total", "page", "per_page"]), (True, ["items"])])
def test_leaves_the_numbers_out_of_an_itemized_page(itemized: bool, members: list[str]) -> None:
    class ItemSchema(BaseModel):
        name: str

    page = Page(items=[{"name": "a"}], total=1, page=1, per_page=10, itemized=itemized)

    body = page_schema(ItemSchema, itemized=itemized).model_validate(page, from_attributes=True).model_dump()

    assert list(body) == members
    assert body["items"] == [{"name": "a"}]
    assert PageSchema[ItemSchema].model_json_schema()["required"] == ["items", "total", "page", "per_page"]


def test_writes_a_page_by_cursor_without_a_count() -> None:
    class ItemSchema(BaseModel):
        name: str

    page = Page(items=[{"name": "a"}], total=None, page=1, per_page=10, by_cursor=True, next_cursor="abc")
    schema = page_schema(ItemSchema, itemized=False, by_cursor=True)

    body = schema.model_validate(page, from_attributes=True).model_dump()

    assert body == {"items": [{"name": "a"}], "per_page": 10, "next_cursor": "abc"}
    described = CursorPageSchema[ItemSchema].model_json_schema()
    assert described["properties"].keys() == {"items", "per_page", "next_cursor", "total", "page"}
    assert described["required"] == ["items", "per_page"]


async def test_writes_the_page_that_the_request_asks_for(client: Client) -> None:
    by_cursor = await client.get("/catalog/books?cursor=&per_page=5")
    by_number = await client.get("/catalog/books")
    itemized = await client.get("/catalog/books?itemized=true")

    bodies = [await response.get_json() for response in (by_cursor, by_number, itemized)]
    assert [list(body)[1:] for body in bodies] == [["per_page", "next_cursor"], ["total", "page", "per_page"], []]
    assert (bodies[0]["per_page"], bodies[0]["next_cursor"], by_cursor.headers.get("Link")) == (5, None, None)
