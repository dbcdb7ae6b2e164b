import enum
from datetime import date
from typing import Any
from uuid import UUID

import pytest
from jsonschema_rs import Draft202012Validator
from pydantic import ValidationError
from quart.typing import TestClientProtocol as Client

from chassis.http.schemas import Cursor, Date, Id, PageQuery, QuerySchema, Text, sort_by
from chassis.http.schemas.query import MAX_CURSOR_LENGTH, sort_pattern

PATH = "/catalog/books"
KEY = "0199b6a0-0000-7000-8000-000000000001"


class Color(enum.Enum):
    RED = "red"


class ThingQuery(QuerySchema):
    author_id: Id | None = None
    author_id__in: list[Id] | None = None
    name__in: list[Text] | None = None
    tag: list[Text] | None = None
    color: Color | None = None
    key: UUID | None = None
    made__gte: Date | None = None
    broken__isnull: bool | None = None
    sort: str | None = sort_by("title", "made")
    cursor: Cursor | None = None


@pytest.mark.parametrize(
    ("query_string", "params"),
    [
        ({}, {}),
        ({"author_id": "7"}, {"author_id": 7}),
        ({"author_id__in": "1,2"}, {"author_id__in": [1, 2]}),
        ({"author_id__in": ["1,2", "3"]}, {"author_id__in": [1, 2, 3]}),
        ({"author_id__in": "1"}, {"author_id__in": [1]}),
        ({"author_id__in": ""}, {"author_id__in": []}),
        ({"name__in": "a,,b"}, {"name__in": ["a", "", "b"]}),
        ({"tag": "a"}, {"tag": ["a"]}),
        ({"tag": ["a,b", "c"]}, {"tag": ["a,b", "c"]}),
        ({"color": "red"}, {"color": Color.RED}),
        ({"key": KEY}, {"key": UUID(KEY)}),
        ({"made__gte": "2026-01-31"}, {"made__gte": date(2026, 1, 31)}),
        ({"broken__isnull": "false"}, {"broken__isnull": False}),
        ({"sort": "-made,title"}, {"sort": "-made,title"}),
        ({"sort": ""}, {}),
        ({"cursor": ""}, {"cursor": ""}),
        ({"unknown": "x"}, {}),
    ],
)
def test_returns_exactly_the_typed_parameters_that_were_sent(query_string: dict[str, Any], params: object) -> None:
    assert ThingQuery.model_validate(query_string).params() == params


@pytest.mark.parametrize(
    "query_string",
    [
        {"author_id": "x"},
        {"author_id": ["1", "2"]},
        {"author_id": ""},
        {"author_id": str(2**63)},
        {"author_id__in": ",".join(["1"] * 101)},
        {"author_id__in": ["1"] * 101},
        {"color": "green"},
        {"key": "7"},
        {"made__gte": "0"},
        {"broken__isnull": "1"},
        {"broken__isnull": "yes"},
        {"sort": "title,title"},
        {"sort": "title,-title"},
        {"sort": "price"},
        {"sort": "title,"},
        {"sort": "--title"},
        {"sort": ["title", "made"]},
        {"cursor": "x" * (MAX_CURSOR_LENGTH + 1)},
    ],
)
def test_names_the_parameter_with_a_wrong_value(query_string: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as raised:
        ThingQuery.model_validate(query_string)

    assert {error["loc"][0] for error in raised.value.errors()} == query_string.keys()


@pytest.mark.parametrize(
    "text", ["", "title", "-title", "title,made", "-made,-title", "made,made", "made,-made", "made,title,made", ","]
)
def test_documents_the_orders_that_it_accepts(text: str) -> None:
    schema = Draft202012Validator({"pattern": sort_pattern(["title", "made"])})

    try:
        ThingQuery.model_validate({"sort": text})
    except ValidationError:
        assert not schema.is_valid(text)
    else:
        assert schema.is_valid(text)


def test_is_the_base_of_queries_for_a_page() -> None:
    class ThingsQuery(PageQuery):
        author_id__in: list[Id] | None = None

    params = ThingsQuery.model_validate({"page": "2", "author_id__in": "1,2"}).params()

    assert params == {"page": 2, "per_page": 10, "itemized": False, "author_id__in": [1, 2]}


@pytest.mark.parametrize(
    ("query_string", "field"),
    [
        ("author_id=x", "author_id"),
        ("author_id__in=" + "1," * 100_000, "author_id__in"),
        ("title__icontains=%00", "title__icontains"),
        ("sort=-isbn", "sort"),
        ("cursor=abc", "cursor"),
        ("cursor=" + "a" * 100_000, "cursor"),
        ("binding=paper", "binding"),
        ("sold_at__isnull=perhaps", "sold_at__isnull"),
    ],
)
async def test_answers_400_that_names_the_parameter(client: Client, query_string: str, field: str) -> None:
    response = await client.get(f"{PATH}?{query_string}")

    problem = await response.get_json(force=True)
    assert response.status_code == 400
    assert {name.split(".")[0] for name in problem["error_message"]} == {field}


async def test_refuses_a_query_string_with_too_many_parameters(client: Client) -> None:
    allowed = await client.get(f"{PATH}?" + "a=1&" * 999 + "b=1")
    refused = await client.get(f"{PATH}?" + "a=1&" * 100_000)

    problem = await refused.get_json(force=True)
    assert (allowed.status_code, refused.status_code) == (200, 400)
    assert problem["error_message"] == "The query string has more than 1000 parameters"
