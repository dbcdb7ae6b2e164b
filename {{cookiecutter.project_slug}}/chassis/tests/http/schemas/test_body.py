import enum
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal as PythonDecimal
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import Field, TypeAdapter, ValidationError
from quart.typing import TestClientProtocol as Client

from chassis.http.schemas.body import MAX_FIELDS, BodySchema, Date, Decimal, Moment, Text, unset
from chassis.tests.sample.controllers.catalog.items import ItemUpdateSchema


class RecordSchema(BodySchema):
    name: Text = ""
    price: Decimal | None = None
    sold_on: Date | None = None
    sold_at: Moment | None = None


def _find_errors(schema: type[BodySchema], data: object) -> dict[str, str]:
    with pytest.raises(ValidationError) as raised:
        schema.model_validate(data)
    return {".".join(map(str, error["loc"])): error["msg"] for error in raised.value.errors()}


@pytest.mark.parametrize(
    "data", [{"name": "a"}, {"description": None}, {"description": "a", "price": 5}, {"name": "a", "price": 0}]
)
def test_returns_exactly_the_fields_that_were_sent(data: dict[str, Any]) -> None:
    assert ItemUpdateSchema.model_validate(data).sent_values() == data


@pytest.mark.parametrize("field", ["name", "price"])
def test_refuses_null_for_an_unset_field_whose_type_does_not_allow_it(field: str) -> None:
    assert list(_find_errors(ItemUpdateSchema, {field: None})) == [field]


@pytest.mark.parametrize(
    ("data", "field"), [({"name": "x" * 21}, "name"), ({"price": "5"}, "price"), ({"id": 1}, "id")]
)
def test_validates_the_fields_of_a_patch(data: dict[str, Any], field: str) -> None:
    assert list(_find_errors(ItemUpdateSchema, data)) == [field]


async def test_documents_an_unset_field_as_optional_without_a_default(client: Client) -> None:
    document = await (await client.get("/openapi.json")).get_json()

    schema = document["components"]["schemas"]["ItemUpdate"]
    assert schema["properties"].keys() == {"name", "description", "price"}
    assert not [field for field in schema["properties"].values() if "default" in field]
    assert "required" not in schema
    assert schema["properties"]["price"]["type"] == "integer"  # and not null


def test_documents_no_default_of_a_field() -> None:
    assert not [field for field in RecordSchema.model_json_schema()["properties"].values() if "default" in field]


@pytest.mark.parametrize("data", [None, {}, []])
def test_refuses_a_body_without_data(data: object) -> None:
    assert _find_errors(RecordSchema, data) == {"": "Value error, No data provided"}


@pytest.mark.parametrize("data", [["a"], 1, 0, "name", "", True, False])
def test_refuses_a_body_that_is_not_an_object(data: object) -> None:
    assert _find_errors(RecordSchema, data) == {"": "Value error, The body must be a JSON object"}


def test_refuses_a_body_with_too_many_fields() -> None:
    errors = _find_errors(RecordSchema, {str(number): 0 for number in range(MAX_FIELDS + 1)})

    assert errors == {"": "Value error, The body has more than 1000 fields"}


@pytest.mark.parametrize(
    ("data", "values"),
    [
        ({"price": "1.10"}, {"price": PythonDecimal("1.10")}),
        ({"sold_on": "2026-01-31"}, {"sold_on": date(2026, 1, 31)}),
        ({"sold_at": "2026-01-31T22:00:00Z"}, {"sold_at": datetime(2026, 1, 31, 22, tzinfo=UTC)}),
        ({"sold_on": None, "sold_at": None}, {"sold_on": None, "sold_at": None}),
    ],
)
def test_reads_values_that_json_sends_as_text(data: dict[str, Any], values: dict[str, Any]) -> None:
    assert RecordSchema.model_validate(data).sent_values() == values


@pytest.mark.parametrize(
    ("data", "field", "reason"),
    [
        ({"name": "a\x00"}, "name", "should match pattern"),
        ({"name": 1}, "name", "should be a valid string"),
        ({"sold_on": 1769810400}, "sold_on", "must be a date such as 2026-01-31"),
        ({"sold_on": "soon"}, "sold_on", "must be a date such as 2026-01-31"),
        ({"sold_on": "2026-02-30"}, "sold_on", "should be a valid date"),
        ({"sold_at": 1769810400}, "sold_at", "must be a time with an offset, such as 2026-01-31T22:00:00Z"),
        ({"sold_at": "2026-01-31T22:00:00"}, "sold_at", "should have timezone info"),
        ({"sold_at": "9999-12-31T23:59:59-23:59"}, "sold_at", "must be in the years 1 to 9999, in UTC"),
    ],
)
def test_refuses_a_value_of_another_type(data: dict[str, Any], field: str, reason: str) -> None:
    errors = _find_errors(RecordSchema, data)

    assert list(errors) == [field]
    assert reason in errors[field]


def test_offers_unset_for_fields_that_may_be_null() -> None:
    class UpdateSchema(BodySchema):
        note: Text | None = unset()
        name: Text = unset()

    assert UpdateSchema.model_validate({"note": None}).sent_values() == {"note": None}
    assert UpdateSchema.model_validate({"name": "a"}).note is None


class Color(enum.Enum):
    RED = "red"


class PartSchema(BodySchema):
    color: Color
    sizes: set[int]


class MachineSchema(BodySchema):
    """Has a field of each type that JSON sends as text or as a list."""

    color: Color | None = None
    key: UUID | None = None
    tags: set[Text] | None = None
    point: tuple[int, int] | None = None
    opens: time | None = None
    lasts: timedelta | None = None
    code: bytes | None = None
    number: int | None = None
    parts: list[PartSchema] | None = None


@pytest.mark.parametrize(
    ("data", "values"),
    [
        ({"color": "red"}, {"color": Color.RED}),
        ({"key": "0199b6a0-0000-7000-8000-000000000001"}, {"key": UUID("0199b6a0-0000-7000-8000-000000000001")}),
        ({"tags": ["a", "b"]}, {"tags": {"a", "b"}}),
        ({"point": [1, 2]}, {"point": (1, 2)}),
        ({"opens": "09:30:00"}, {"opens": time(9, 30)}),
        ({"lasts": "PT90S"}, {"lasts": timedelta(seconds=90)}),
        ({"code": "a"}, {"code": b"a"}),
        ({"number": 786.0}, {"number": 786}),
        ({"number": 1e20}, {"number": 10**20}),
        ({"parts": [{"color": "red", "sizes": [1.0]}]}, {"parts": [{"color": Color.RED, "sizes": {1}}]}),
    ],
)
def test_accepts_what_json_can_send_for_a_type(data: dict[str, Any], values: dict[str, Any]) -> None:
    body = MachineSchema.model_validate(data).sent_values()

    assert body == values
    assert not isinstance(body.get("number"), float)


@pytest.mark.parametrize(
    ("data", "place"),
    [
        ({"color": "green"}, "color"),
        ({"key": "7"}, "key"),
        ({"point": ["1", "2"]}, "point.0"),
        ({"point": [1, 2, 3]}, "point"),
        ({"number": "786"}, "number"),
        ({"number": 786.5}, "number"),
        ({"number": True}, "number"),
        ({"parts": [{}]}, "parts.0.color"),
        ({"parts": ["red"]}, "parts.0"),
        ({"parts": [{"color": "red", "sizes": [1], "weight": 1}]}, "parts.0.weight"),
        ({"parts": [{"color": "red", "sizes": [1, 1]}]}, "parts.0.sizes"),
    ],
)
def test_names_the_place_of_a_mistake(data: dict[str, Any], place: str) -> None:
    assert place in _find_errors(MachineSchema, data)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("\ud800", "The body has half of a surrogate pair, which is not a character"),
        (float("nan"), "The body has a number that is too large, or is not a number"),
        (float("inf"), "The body has a number that is too large, or is not a number"),
        (object(), "The body is not JSON: Object of type object is not JSON serializable"),
    ],
)
def test_refuses_what_is_not_json(value: object, reason: str) -> None:
    assert _find_errors(RecordSchema, {"name": value}) == {"": f"Value error, {reason}"}


def test_takes_values_of_python_in_its_constructor() -> None:
    body = MachineSchema(color=Color.RED, tags={"a"}, parts=[PartSchema(color=Color.RED, sizes={1})])

    assert body.sent_values() == {"color": Color.RED, "tags": {"a"}, "parts": [{"color": Color.RED, "sizes": {1}}]}
    assert MachineSchema.model_validate(body) is body
    assert list(_find_errors(MachineSchema, {"color": Color.RED})) == [""]


class BranchSchema(BodySchema):
    colors: set[Color]
    branches: list["BranchSchema"] = Field(default=[])


class CatSchema(BodySchema):
    kind: Literal["cat"]
    colors: set[Color]


class DogSchema(BodySchema):
    kind: Literal["dog"]
    key: UUID


class PetSchema(BodySchema):
    pet: Annotated[CatSchema | DogSchema, Field(discriminator="kind")]


def test_validates_a_body_that_has_bodies_of_its_own_kind() -> None:
    leaf = {"colors": ["red"], "branches": []}

    body = TypeAdapter(BranchSchema).validate_python({"colors": [], "branches": [leaf, leaf]})

    assert [branch.colors for branch in body.branches] == [{Color.RED}] * 2


def test_chooses_the_body_that_a_field_names() -> None:
    body = TypeAdapter(PetSchema).validate_python({"pet": {"kind": "cat", "colors": ["red"]}})

    assert body.pet == CatSchema(kind="cat", colors={Color.RED})
    assert list(_find_errors(PetSchema, {"pet": {"kind": "cat", "key": None}})) == ["pet.cat.colors", "pet.cat.key"]
    assert list(_find_errors(PetSchema, {"pet": {"kind": "cow"}})) == ["pet"]


def test_finds_repetition_under_an_alias() -> None:
    class LoudSchema(BodySchema):
        tags: set[str] = Field(alias="TAGS")

    assert list(_find_errors(LoudSchema, {"TAGS": ["a", "a"]})) == ["TAGS"]


def test_keeps_a_field_lenient_that_asks_for_it() -> None:
    class LenientSchema(BodySchema):
        number: int = Field(strict=False)

    assert LenientSchema.model_validate({"number": "5"}).number == 5


async def test_reads_every_type_over_http(client: Client) -> None:
    body = {"title": "A", "author_id": 786.0, "binding": "hard", "price": "12.50", "tags": ["a"], "extra": {"a": [1]}}
    chapters = [{"title": "I", "pages": [1, 9]}]

    response = await client.post("/catalog/books", json={**body, "chapters": chapters, "published": "2026-01-31"})

    book = await response.get_json()
    assert response.status_code == 201
    assert {**book, "author_id": 786.0} == {**book, **body, "published": "2026-01-31"}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"title": "\\ud800"}', "The body has half of a surrogate pair, which is not a character"),
        (b'{"weight": 1e400}', "The body has a number that is too large"),
        (b'{"weight": NaN}', "The body is not valid JSON"),
        (b'{"weight": -Infinity}', "The body is not valid JSON"),
    ],
)
async def test_answers_400_for_what_is_not_json(client: Client, body: bytes, reason: str) -> None:
    response = await client.post("/catalog/books", data=body, headers={"Content-Type": "application/json"})

    problem = await response.get_json(force=True)
    assert (response.status_code, problem["error_message"]) == (400, reason)
