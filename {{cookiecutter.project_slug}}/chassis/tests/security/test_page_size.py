"""Texts have a length and pages have a size, so that a few requests cannot fill the memory."""

import tracemalloc
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field
from quart import request

from chassis.app import ChassisApp
from chassis.config import ChassisConfig
from chassis.domain.exceptions import ValidationError
from chassis.domain.pagination import MAX_PER_PAGE, Page
from chassis.http.responses import MAX_PAGE_SIZE, create_response
from chassis.http.schemas.body import MAX_TEXT_LENGTH, BodySchema, Text, VisibleText
from chassis.tests.sample.create_app import create_app

MEBIBYTE = 1024 * 1024


class _Note(BaseModel):
    text: str


class _NoteBody(BodySchema):
    text: Text = ""
    visible: VisibleText = ""
    short: Annotated[Text, Field(max_length=10)] = ""
    long: Annotated[Text, Field(max_length=20_000)] = ""


def _page(number: int, text: str, *, itemized: bool = False) -> Page[_Note]:
    notes = [_Note(text=text)] * number
    return Page(items=notes, total=number, page=1, per_page=number, itemized=itemized)


@pytest.fixture(name="listing")
def _listing(app: ChassisApp, config: ChassisConfig) -> Iterator[ChassisApp]:
    listing = create_app(config)
    listing.container.database.override(app.container.database())

    @listing.get("/notes")
    async def notes() -> Any:  # noqa: ANN401 - a response of Quart
        number, length = int(request.args["number"]), int(request.args["length"])
        return create_response(_page(number, "a" * length, itemized="itemized" in request.args), _Note)

    yield listing
    app.wire()


async def _list(app: ChassisApp, query: str) -> tuple[int, dict[str, Any]]:
    response = await app.test_client().get(f"/notes?{query}")
    return response.status_code, await response.get_json(force=True)


async def test_refuses_a_page_over_the_limit_with_advice(listing: ChassisApp) -> None:
    status, problem = await _list(listing, f"number=100&length={MEBIBYTE}")

    assert status == 400
    assert (
        problem["error_message"] == "The page has more than 4194304 bytes: ask for fewer items with a smaller per_page."
    )


async def test_refuses_a_list_without_pages_over_the_limit_with_advice(listing: ChassisApp) -> None:
    status, problem = await _list(listing, f"number=1000&length={MEBIBYTE}&itemized")

    assert status == 400
    assert problem["error_message"] == "The list has more than 4194304 bytes: ask for one page of it."


@pytest.mark.parametrize("itemized", ["", "&itemized"])
async def test_answers_with_one_item_however_long_it_is(listing: ChassisApp, itemized: str) -> None:
    status, page = await _list(listing, f"number=1&length={2 * MAX_PAGE_SIZE}{itemized}")

    assert status == 200
    assert len(page["items"][0]["text"]) == 2 * MAX_PAGE_SIZE


@pytest.mark.parametrize("number", [0, 1, 99, 100, 101, 250, 1000])
async def test_lists_all_items_without_pages(listing: ChassisApp, number: int) -> None:
    status, page = await _list(listing, f"number={number}&length=10&itemized")

    assert (status, page) == (200, {"items": [{"text": "a" * 10}] * number})


@pytest.mark.parametrize("number", [0, 1, 10, 11, 25, 100])
async def test_writes_the_same_page_in_pieces(listing: ChassisApp, number: int) -> None:
    status, page = await _list(listing, f"number={number}&length=10")

    items = [{"text": "a" * 10}] * number
    assert (status, page) == (200, {"items": items, "total": number, "page": 1, "per_page": number})


@pytest.mark.parametrize("itemized", [False, True])
@pytest.mark.parametrize("character", ["a", "é", "漢", "😀", "\x01"])
async def test_counts_bytes(listing: ChassisApp, itemized: bool, character: str) -> None:
    page = _page(10, character * 1000, itemized=itemized)
    async with listing.app_context():
        size = len(await create_response(page, _Note).get_data(as_text=False))

        create_response(page, _Note, max_page_size=size)
        with pytest.raises(ValidationError):
            create_response(page, _Note, max_page_size=size - 100)


async def test_a_page_of_the_longest_texts_is_not_too_large(listing: ChassisApp) -> None:
    async with listing.app_context():
        response = create_response(_page(MAX_PER_PAGE, "😀" * MAX_TEXT_LENGTH), _Note)

    assert response.status_code == 200


@pytest.mark.parametrize(("number", "length", "itemized"), [(100, 1_000_000, False), (1000, 100_000, True)])
async def test_does_not_hold_a_refused_page_in_memory(number: int, length: int, itemized: bool) -> None:
    page = _page(number, "a" * length, itemized=itemized)
    tracemalloc.start()
    try:
        with pytest.raises(ValidationError):
            create_response(page, _Note)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 40 * MEBIBYTE  # of 100


@pytest.mark.parametrize(
    ("field", "length"),
    [("text", MAX_TEXT_LENGTH), ("visible", MAX_TEXT_LENGTH), ("short", 10), ("long", 20_000)],
)
def test_every_text_has_a_length(field: str, length: int) -> None:
    schema = _NoteBody.model_json_schema()["properties"][field]

    assert schema["maxLength"] == length
    _NoteBody.model_validate({field: "é" * length})
    with pytest.raises(ValueError, match=f"at most {length} characters"):
        _NoteBody.model_validate({field: "é" * (length + 1)})


async def test_every_text_of_a_body_is_documented_with_its_length(app: ChassisApp) -> None:
    document = await (await app.test_client().get("/openapi.json")).get_json()
    schemas = document["components"]["schemas"]
    bodies = [
        schemas[content["schema"]["$ref"].rpartition("/")[2]]
        for path in document["paths"].values()
        for operation in path.values()
        for content in operation.get("requestBody", {}).get("content", {}).values()
    ]

    texts = [schema for schema in _schemas(bodies) if schema.get("type") == "string"]

    assert texts
    assert [text for text in texts if not {"maxLength", "format", "enum", "const"} & text.keys()] == []


def _schemas(value: object) -> Iterator[dict[str, Any]]:
    """Yield every schema inside of a part of the document."""
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _schemas(inner)
