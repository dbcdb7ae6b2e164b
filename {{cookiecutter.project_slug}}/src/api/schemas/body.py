"""What all request bodies have in common."""

import decimal
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, model_validator


def _written_as(what: str) -> Callable[[Any], Any]:
    """JSON has no type for it, so it is text; a number would be taken for seconds since 1970."""

    def require_text(value: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
        if value is not None and not isinstance(value, str):
            msg = f"must be {what}"
            raise ValueError(msg)
        return value

    return require_text


def _exist_in_utc(value: datetime) -> datetime:
    try:
        value.astimezone(UTC)
    except OverflowError:
        msg = "must be in the years 1 to 9999, in UTC"
        raise ValueError(msg) from None
    return value


Text = Annotated[str, Field(pattern=r"^[^\x00]*$")]  # PostgreSQL stores any character but NUL
Decimal = Annotated[decimal.Decimal, Field(strict=False)]
Date = Annotated[date, Field(strict=False), BeforeValidator(_written_as("a date such as 2026-01-31"))]
Moment = Annotated[
    AwareDatetime,
    Field(strict=False),
    BeforeValidator(_written_as("a time with an offset, such as 2026-01-31T22:00:00Z")),
    AfterValidator(_exist_in_utc),
]

MAX_FIELDS = 1000  # to say of each that it is unknown would take seconds


def _document(schema: dict[str, Any]) -> None:
    """What a field is that was not sent is up to the service: `given` leaves it out."""
    schema["minProperties"] = 1
    for field in schema.get("properties", {}).values():
        field.pop("default", None)


class BodySchema(BaseModel):
    """Refuses a body without data, a field it does not know and a value of another type."""

    model_config = ConfigDict(extra="forbid", strict=True, json_schema_extra=_document)

    @model_validator(mode="before")
    @classmethod
    def _require_data(cls, data: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
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
