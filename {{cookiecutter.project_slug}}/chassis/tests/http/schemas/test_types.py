"""For each type, a body accepts exactly the values that its JSON Schema accepts."""

import enum
from decimal import Decimal as PythonDecimal
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from jsonschema_rs import Draft202012Validator
from pydantic import BaseModel, Field, TypeAdapter, ValidationError, create_model

from chassis.http.schemas import BodySchema, Date, Decimal, Email, Id, Json, Moment, Text, Url
from chassis.http.schemas.decimals import MAX_LENGTH


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class PartSchema(BodySchema):
    size: int
    color: Color


Price = Annotated[Decimal, Field(max_digits=5, decimal_places=2)]
NUMBERS = [0, 1, -1, 1.0, 786.0, 1.5, -0.0, 1e300, 2**63 - 1, 2**63, 2**70, True, False]
TEXTS = [
    "",
    "a",
    "red",
    "0",
    "1",
    " a ",
    "a\0",
    "x" * 10_000,
    "x" * 10_001,
    "x@example.org",
    "x@example",
    "@example.org",
]
URLS = [
    "http://example.org",
    "https://[::1]:80/a?b=%20#c",
    "ftp://example.org",
    "http://",
    "http://a b",
    "//example.org",
]
DATES = ["2026-01-31", "2026-02-30", "20260131", "1769810400", "2026-01-31T22:00:00", "2026-01-31T22:00:00Z"]
MOMENTS = ["2026-01-31t22:00:00.123z", "2026-01-31 22:00:00Z", "2026-01-31T22:00:00+01:00", "2026-01-31T25:00:00Z"]
DECIMALS = ["12.50", "12.500", "12.501", "999.99", "1000", "00012.5", "1e3", "NaN", "Infinity", "-12.5", "-0", "-0.00"]
DECIMALS += ["0.00", "0.01", "+1", ".5", "5.", ".", "١٢", "1" * MAX_LENGTH, "1" * (MAX_LENGTH + 1)]
KEYS = ["0199b6a0-0000-7000-8000-000000000001", "0199B6A0-0000-7000-8000-000000000001", "0199b6a0"]
LISTS: list[Any] = [[], ["a"], ["a", "a"], [1, 2], [1.0, 2.0], [1], [1, 2, 3], ["1"], ["red", "blue"], ["red", "red"]]
OBJECTS: list[Any] = [{}, {"size": 1, "color": "red"}, {"size": 1.0, "color": "red"}, {"size": "1", "color": "red"}]
OBJECTS += [{"size": 1}, {"size": 1, "color": "red", "x": 1}, [{"size": 1, "color": "blue"}]]
JSON_VALUES: list[Any] = [{"a": ["\0"]}, {"a\0": 1}, {"a": {"b": [1, None, 1.5, "x", {}]}}]
VALUES: list[Any] = [None, *NUMBERS, *TEXTS, *URLS, *DATES, *MOMENTS, *DECIMALS, *KEYS, *LISTS, *OBJECTS, *JSON_VALUES]


KINDS: dict[str, Any] = {
    "int": int,
    "float": float,
    "bool": bool,
    "str": str,
    "bytes": bytes,
    "Id": Id,
    "Text": Text,
    "Email": Email,
    "Url": Url,
    "Date": Date,
    "Moment": Moment,
    "Json": Json,
    "enum": Color,
    "UUID": UUID,
    "body": PartSchema,
    "Decimal": Decimal,
    "Decimal with digits": Price,
    "Decimal with places": Annotated[Decimal, Field(decimal_places=2)],
    "Decimal without places": Annotated[Decimal, Field(max_digits=3, decimal_places=0)],
    "Decimal below one": Annotated[Decimal, Field(max_digits=2, decimal_places=2, ge=0)],
    "Decimal from zero": Annotated[Price, Field(ge=0)],
    "Decimal above zero": Annotated[Price, Field(gt=0)],
    "set of texts": set[str],
    "set of enums": set[Color],
    "set of two": Annotated[set[str], Field(min_length=2)],
    "frozenset": frozenset[Id],
    "tuple": tuple[int, int],
    "list": list[Id],
    "list of bodies": list[PartSchema],
    "dict": dict[str, int],
    "nullable date": Date | None,
    "nullable decimal": Price | None,
    "nullable enum": Color | None,
    "union": int | Text,
    "union with a body": PartSchema | Id,
    "literal": Literal["a", "red"],
}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_agrees_with_the_schema_about_every_value(kind: Any) -> None:  # noqa: ANN401 - a type
    body = create_model("Body", __base__=BodySchema, value=(kind, ...))
    schema = Draft202012Validator(TypeAdapter(body).json_schema(), validate_formats=True)

    accepted = [value for value in VALUES if _accepts(body, {"value": value})]

    assert accepted == [value for value in VALUES if schema.is_valid({"value": value})]
    assert 0 < len(accepted) < len(VALUES)


@pytest.mark.parametrize(("price", "text"), [("12.50", "12.50"), ("1E+2", "100"), (None, None)])
def test_writes_a_decimal_as_text_without_an_exponent(price: str | None, text: str | None) -> None:
    class RowSchema(BaseModel):
        price: Price | None

    row = RowSchema.model_validate({"price": price and PythonDecimal(price)})

    assert row.model_dump(mode="json") == {"price": text}


@pytest.mark.parametrize(
    ("kind", "value", "reason"),
    [
        ("Decimal", 12345678901234567.89, 'must be text such as "12.50", because a number would be rounded'),
        ("Decimal", "", "must be a decimal such as 12.50, as text"),
        ("Decimal", "abc", "must be a decimal such as 12.50, as text"),
        ("Decimal with digits", "12.501", "no more than 2 decimal places"),
        ("set of texts", ["a", "a"], "must not have a value twice"),
        ("Json", ["\0"], "must be JSON without the character NUL"),
        ("Date", "0", "must be a date such as 2026-01-31"),
    ],
)
def test_says_what_is_wrong_in_one_sentence(kind: str, value: object, reason: str) -> None:
    body = create_model("Body", __base__=BodySchema, value=(KINDS[kind], ...))

    with pytest.raises(ValidationError) as raised:
        body.model_validate({"value": value})

    (error,) = raised.value.errors()
    assert error["loc"] == ("value",)
    assert reason in error["msg"]


def test_keeps_every_digit_of_a_decimal() -> None:
    body = create_model("Body", __base__=BodySchema, value=(Decimal, ...))

    assert body.model_validate({"value": "12345678901234567.89"}).sent_values() == {
        "value": PythonDecimal("12345678901234567.89")
    }


def _accepts(body: type[BodySchema], data: object) -> bool:
    try:
        body.model_validate(data)
    except ValidationError:
        return False
    return True
