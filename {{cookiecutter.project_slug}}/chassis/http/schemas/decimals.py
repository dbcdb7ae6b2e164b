"""Decimals are text in JSON, because a client that reads them as numbers would round them."""

import decimal
import re
from typing import Annotated, Any

from pydantic import BeforeValidator, GetJsonSchemaHandler, PlainSerializer, ValidationInfo
from pydantic_core import CoreSchema

JSONSchema = dict[str, Any]
Limit = decimal.Decimal | float | None
MAX_LENGTH = 100  # characters
_CONSTRAINTS = ("max_digits", "decimal_places", "ge", "gt")
_DESCRIPTIONS = ("title", "description", "examples")
_FORM = re.compile(r"-?[0-9]+(\.[0-9]+)?")


def _read(value: object, info: ValidationInfo) -> object:
    if isinstance(value, str):
        if len(value) > MAX_LENGTH or not _FORM.fullmatch(value):
            msg = "must be a decimal such as 12.50, as text"
            raise ValueError(msg)
        return decimal.Decimal(value)
    if info.mode == "json" and value is not None:
        msg = 'must be text such as "12.50", because a number would be rounded'
        raise ValueError(msg)
    return value


def _write(value: decimal.Decimal) -> str:
    """Return a text without an exponent."""
    return format(value, "f")


class _TextSchema:
    """Documents the pattern of what the constraints accept."""

    def __get_pydantic_json_schema__(self, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JSONSchema:
        schema = handler(core_schema)
        pattern = decimal_pattern(**{name: schema.get(name) for name in _CONSTRAINTS})
        described = {name: value for name, value in schema.items() if name in _DESCRIPTIONS}
        return {**described, "type": "string", "pattern": pattern, "maxLength": MAX_LENGTH}


def decimal_pattern(
    *, max_digits: int | None = None, decimal_places: int | None = None, ge: Limit = None, gt: Limit = None
) -> str:
    """Return a pattern for the digits, and for the sign if the limit is zero; no pattern can express other limits.

    Zeros in front and at the end do not count as digits.
    """
    whole, fraction = "[0-9]+", r"(\.[0-9]+)?"
    if decimal_places is not None:
        fraction = r"(\.[0-9]" + _up_to(decimal_places) + "0*)?" if decimal_places else r"(\.0+)?"
        if max_digits is not None:
            digits = max_digits - decimal_places
            whole, fraction = ("0*[0-9]" + _up_to(digits), fraction) if digits > 0 else ("0+", fraction.rstrip("?"))
    if gt is not None and float(gt) == 0:
        return f"^(?=.*[1-9]){whole}{fraction}$"
    if ge is not None and float(ge) == 0:
        optional = "?" if fraction.endswith("?") else ""
        return rf"^(-0+(\.0+){optional}|{whole}{fraction})$"
    return f"^-?{whole}{fraction}$"


# The type of a column Numeric(10, 2) is Annotated[Decimal, Field(max_digits=10, decimal_places=2)].
Decimal = Annotated[
    decimal.Decimal, BeforeValidator(_read), PlainSerializer(_write, return_type=str, when_used="json"), _TextSchema()
]


def _up_to(number: int) -> str:
    """Return the quantifier of a pattern for at least one and at most this number of repetitions."""
    return "{1," + f"{number}" + "}"
