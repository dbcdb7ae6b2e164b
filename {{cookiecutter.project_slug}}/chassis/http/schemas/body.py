"""Request bodies are strict: no unknown field, no value of another type, no empty body."""

import decimal
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

JSONValue = Any  # whatever a client sends
JSONSchema = dict[str, Any]
MAX_TEXT_LENGTH = 10_000  # characters
MAX_FIELDS = 1000  # reporting each of more unknown fields would take seconds


def _require_text(expected: str) -> Callable[[JSONValue], JSONValue]:
    """Refuse a number for a type that JSON writes as text; pydantic would read it as seconds since 1970."""

    def require_text(value: JSONValue) -> JSONValue:
        if value is not None and not isinstance(value, str):
            msg = f"must be {expected}"
            raise ValueError(msg)
        return value

    return require_text


def _require_moment_in_utc(value: datetime) -> datetime:
    try:
        value.astimezone(UTC)
    except OverflowError:
        msg = "must be in the years 1 to 9999, in UTC"
        raise ValueError(msg) from None
    return value


# PostgreSQL stores any character except NUL. Every text has a length, because a page holds up to a hundred of them;
# `Annotated[Text, Field(max_length=50_000)]` has another one.
Text = Annotated[str, Field(pattern=r"^[^\x00]*$", max_length=MAX_TEXT_LENGTH)]
# For OpenAPI only: the rule itself belongs to the domain, which refuses a blank text.
VisibleText = Annotated[Text, Field(json_schema_extra={"pattern": r"^[^\x00]*[^\s\x00][^\x00]*$"})]
Decimal = Annotated[decimal.Decimal, Field(strict=False)]
Date = Annotated[date, Field(strict=False), BeforeValidator(_require_text("a date such as 2026-01-31"))]
Moment = Annotated[
    AwareDatetime,
    Field(strict=False),
    BeforeValidator(_require_text("a time with an offset, such as 2026-01-31T22:00:00Z")),
    AfterValidator(_require_moment_in_utc),
]


def unset() -> Any:  # noqa: ANN401 - the default of a field of any type
    """Return the default for a field that a PATCH may leave out; null is refused unless the field's type allows it."""
    return Field(default=None)


def _describe(schema: JSONSchema) -> None:
    """Document no defaults: `sent_values` leaves out fields that were not sent, and the service decides about them."""
    schema["minProperties"] = 1
    for field in schema.get("properties", {}).values():
        field.pop("default", None)


class BodySchema(BaseModel):
    """The base of schemas for request bodies."""

    model_config = ConfigDict(extra="forbid", strict=True, json_schema_extra=_describe)

    def sent_values(self) -> dict[str, Any]:
        """Return the fields that the client sent, without defaults for the others."""
        return self.model_dump(exclude_unset=True)

    @model_validator(mode="before")
    @classmethod
    def _require_data(cls, data: JSONValue) -> JSONValue:
        if not data and (data is None or isinstance(data, dict | list)):
            msg = "No data provided"
            raise ValueError(msg)
        if not isinstance(data, dict):
            msg = "The body must be a JSON object"
            raise ValueError(msg)  # noqa: TRY004 - pydantic reports a ValueError
        if len(data) > MAX_FIELDS:
            msg = f"The body has more than {MAX_FIELDS} fields"
            raise ValueError(msg)
        return data
