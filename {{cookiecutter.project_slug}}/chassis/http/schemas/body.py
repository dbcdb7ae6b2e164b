"""Request bodies are strict: no unknown field, no value of another type, no empty body.

A body is validated as JSON, so an enum, a UUID, a date or a set is what JSON can send for it.
"""

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from chassis.http.schemas.decimals import Decimal as Decimal
from chassis.http.schemas.json_validator import JSONValidator
from chassis.http.schemas.types import MAX_TEXT_LENGTH as MAX_TEXT_LENGTH
from chassis.http.schemas.types import Date as Date
from chassis.http.schemas.types import JSONValue
from chassis.http.schemas.types import Moment as Moment
from chassis.http.schemas.types import Text as Text
from chassis.http.schemas.types import VisibleText as VisibleText

JSONSchema = dict[str, Any]
MAX_FIELDS = 1000  # reporting each of more unknown fields would take seconds


def unset() -> Any:  # noqa: ANN401 - the default of a field of any type
    """Return the default for a field that a PATCH may leave out; null is refused unless the field's type allows it."""
    return Field(default=None)


def _describe(schema: JSONSchema) -> None:
    """Document no defaults: `sent_values` leaves out fields that were not sent, and the service decides about them."""
    schema["minProperties"] = 1
    for field in schema.get("properties", {}).values():
        field.pop("default", None)


def _require_object(data: JSONValue) -> None:
    if not data and (data is None or isinstance(data, dict | list)):
        msg = "No data provided"
        raise ValueError(msg)
    if not isinstance(data, dict):
        msg = "The body must be a JSON object"
        raise ValueError(msg)  # noqa: TRY004 - pydantic reports a ValueError
    if len(data) > MAX_FIELDS:
        msg = f"The body has more than {MAX_FIELDS} fields"
        raise ValueError(msg)


class BodySchema(BaseModel):
    """The base of schemas for JSON bodies."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, json_schema_extra=_describe)

    def sent_values(self) -> dict[str, Any]:
        """Return the fields that the client sent, without defaults for the others."""
        return self.model_dump(exclude_unset=True)

    @classmethod
    def __pydantic_on_complete__(cls) -> None:
        """Validate what quart-schema has parsed as the JSON that it was; a body inside another one is JSON anyway."""
        super().__pydantic_on_complete__()
        validator: Any = JSONValidator(cls, _require_object)
        cls.__pydantic_validator__ = validator

    @model_validator(mode="after")
    def _require_fields(self) -> Self:
        if not self.model_fields_set:
            msg = "No data provided"
            raise ValueError(msg)
        return self
