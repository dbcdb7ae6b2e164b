from datetime import UTC, date, datetime
from decimal import Decimal as PythonDecimal
from typing import Any

import pytest
from pydantic import ValidationError
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

    operation = document["paths"]["/catalog/items/{item_id}"]["patch"]
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
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
