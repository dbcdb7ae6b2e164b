"""Request bodies are strict: no unknown field, no value of another type, no empty body.

A body is validated as JSON, so an enum, a UUID, a date or a set is what JSON can send for it.
"""

import json
from typing import Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    ModelWrapValidatorHandler,
    ValidationInfo,
    model_validator,
)
from pydantic_core import CoreSchema, core_schema

from chassis.http.schemas.decimals import Decimal as Decimal
from chassis.http.schemas.sets import has_sets, refuse_repetition
from chassis.http.schemas.types import MAX_TEXT_LENGTH as MAX_TEXT_LENGTH
from chassis.http.schemas.types import Date as Date
from chassis.http.schemas.types import JSONValue
from chassis.http.schemas.types import Moment as Moment
from chassis.http.schemas.types import Text as Text
from chassis.http.schemas.types import VisibleText as VisibleText

JSONSchema = dict[str, Any]
MAX_FIELDS = 1000  # reporting each of more unknown fields would take seconds
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
_PYTHON_VALUES = object()  # the context of a constructor, whose arguments are not JSON


def unset() -> Any:  # noqa: ANN401 - the default of a field of any type
    """Return the default for a field that a PATCH may leave out; null is refused unless the field's type allows it."""
    return Field(default=None)


def _describe(schema: JSONSchema) -> None:
    """Document no defaults: `sent_values` leaves out fields that were not sent, and the service decides about them."""
    schema["minProperties"] = 1
    for field in schema.get("properties", {}).values():
        field.pop("default", None)


class BodySchema(BaseModel):
    """The base of schemas for JSON bodies."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, json_schema_extra=_describe)

    def __init__(self, /, **values: Any) -> None:
        """Take the values of the fields in the types of Python."""
        self.__pydantic_validator__.validate_python(values, self_instance=self, context=_PYTHON_VALUES)

    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]  # validation need not call it

    def sent_values(self) -> dict[str, Any]:
        """Return the fields that the client sent, without defaults for the others."""
        return self.model_dump(exclude_unset=True)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:  # noqa: ANN401
        """Validate what quart-schema has parsed as the JSON that it was; a body inside another is JSON already."""

        def validate(data: JSONValue, validate_python: ModelWrapValidatorHandler[Self], info: ValidationInfo) -> Self:
            if info.context is _PYTHON_VALUES or isinstance(data, cls):
                return validate_python(data)
            _require_object(data)
            validator = cls.__pydantic_validator__
            body: Self = validator.validate_json(_dump(data), context=info.context)
            if has_sets(cls):
                refuse_repetition(data, body)
            return body

        schema = handler(source)
        in_python = core_schema.with_info_wrap_validator_function(validate, schema)
        return core_schema.json_or_python_schema(json_schema=schema, python_schema=in_python)

    @model_validator(mode="after")
    def _require_fields(self) -> Self:
        if not self.model_fields_set:
            msg = "No data provided"
            raise ValueError(msg)
        return self


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


def _dump(data: JSONValue) -> bytes:
    """Return the JSON, in which a number without a fraction is an integer: JSON Schema takes 786.0 for one.

    Raises:
        ValueError: it is not JSON that others can read.
    """
    try:
        text = _encode(data)
        if ".0" in text or "e+" in text:
            text = _encode(json.loads(text, parse_float=_read_number))
        return text.encode()
    except UnicodeEncodeError:
        msg = "The body has half of a surrogate pair, which is not a character"
    except ValueError:
        msg = "The body has a number that is too large, or is not a number"
    except TypeError as error:
        msg = f"The body is not JSON: {error}"
    raise ValueError(msg)


def _read_number(text: str) -> float:
    number = float(text)
    return int(number) if number.is_integer() else number
