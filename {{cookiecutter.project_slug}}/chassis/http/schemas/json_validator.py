"""Validation in JSON mode of what a request has parsed already.

Strict validation of Python objects refuses an enum, a UUID or a set, because JSON sends a text or a list for it.
"""

import json
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import InitErrorDetails

from chassis.http.schemas.sets import has_sets, refuse_repetition
from chassis.http.schemas.types import JSONValue

_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


class JSONValidator:
    """Stands for the validator of a model: it writes the data as JSON again, and validates that.

    A constructor still takes the values of Python.
    """

    def __init__(self, schema: type[BaseModel], check: Callable[[JSONValue], None]) -> None:
        """`check` raises a ValueError for data that is not worth validating."""
        self._schema = schema
        self._check = check
        self._validator = schema.__pydantic_validator__

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any attribute of a validator
        return getattr(self._validator, name)

    def validate_python(
        self,
        data: JSONValue,
        *,
        self_instance: object = None,
        from_attributes: bool | None = None,
        **options: Any,
    ) -> Any:  # noqa: ANN401 - an instance of the model
        if self_instance is not None or from_attributes or isinstance(data, self._schema):
            return self._validator.validate_python(
                data, self_instance=self_instance, from_attributes=from_attributes, **options
            )
        try:
            self._check(data)
            text = dump(data)
        except ValueError as error:
            details = InitErrorDetails(type="value_error", loc=(), input=None, ctx={"error": error})
            raise ValidationError.from_exception_data(self._schema.__name__, [details]) from None
        body = self._validator.validate_json(text, **options)
        if has_sets(self._schema):
            refuse_repetition(data, body)
        return body


def dump(data: JSONValue) -> bytes:
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
