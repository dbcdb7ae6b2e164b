"""The defaults of fields, which the database fills in: as they are typed, in a model, and in a test."""

import re
from datetime import date
from decimal import Decimal, localcontext
from typing import Any

from sqlalchemy import FetchedValue, TextClause

from chassis.dev.generate.fields import Field
from chassis.dev.generate.refusal import GeneratorError
from chassis.dev.generate.types import MAX_DIGITS, member_name

WORDS = {  # that stand for a function of the database
    ("date", "today"): "func.current_date()",
    ("datetime", "now"): "func.now()",
    ("uuid", "random"): "func.gen_random_uuid()",
}
_FUNCTIONS = {"current_date": "today", "now": "now", "gen_random_uuid": "random"}
_INTEGER_LIMITS = {"integer": 2**31, "biginteger": 2**63}
_EXPECTED = {
    "string": "a text of at most as many characters as the column has",
    "integer": "a number such as 0",
    "biginteger": "a number such as 0",
    "float": "a number such as 1.5",
    "decimal": "a number with at most as many digits as the column has",
    "boolean": "true or false",
    "date": "today, or a date such as 2026-01-31",
    "datetime": "now",
    "uuid": "random",
    "json": "[] or {}",
    "enum": "one of its values",
    "references": "nothing: a reference has no default",
}


def check_default(field: Field) -> None:
    """Raise GeneratorError if the field has a default that does not fit its type."""
    if field.default is not None and not _fits(field, field.default):
        raise GeneratorError(f"`{field.default}` is not a default of {field.name}: type {_EXPECTED[field.type]}.")


def _fits(field: Field, text: str) -> bool:
    match field.type:
        case "string" | "text":
            limit = int(field.arguments[0]) if field.arguments else 10_000
            return text.isprintable() and len(text) <= limit
        case "integer" | "biginteger":
            limit = _INTEGER_LIMITS[field.type]
            return bool(re.fullmatch("-?[0-9]{1,19}", text)) and -limit <= int(text) < limit
        case "float":
            return bool(re.fullmatch(r"-?[0-9]{1,15}(\.[0-9]{1,15})?", text))
        case "decimal":
            digits, places = map(int, field.arguments)
            found = re.fullmatch(r"-?([0-9]+)(?:\.([0-9]+))?", text)
            return found is not None and len(found[1].lstrip("0")) <= digits - places and len(found[2] or "") <= places
        case "boolean":
            return text in ("true", "false")
        case "enum":
            return text in field.arguments
        case "json":
            return text in ("[]", "{}")
        case "date" if text != "today":
            return _is_date(text)
    return (field.type, text) in WORDS


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def code_of_default(field: Field, enum_class: str) -> str:
    """Return the argument `server_default` for the model."""
    text = field.default or ""
    if field.type == "enum":
        return f"{enum_class}.{member_name(text)}.name"
    return WORDS.get((field.type, text), repr(text))


def value_of_default(field: Field) -> str | None:
    """Return Python code for what a client receives, or None if that depends on the moment or is random."""
    text = field.default or ""
    if (field.type, text) in WORDS:
        return None
    match field.type:
        case "boolean":
            return text.capitalize()
        case "integer" | "biginteger":
            return str(int(text))
        case "float":
            return repr(float(text))
        case "decimal":
            return repr(_format_decimal(text, places=int(field.arguments[1])))
        case "json":
            return text
    return repr(text)


def _format_decimal(text: str, *, places: int) -> str:
    with localcontext(prec=MAX_DIGITS):
        return format(Decimal(text).quantize(Decimal(1).scaleb(-places)) + 0, "f")  # PostgreSQL has no -0


def read_default(default: FetchedValue | None, enum_class: Any) -> str | None:  # noqa: ANN401 - a class or None
    """Return the default of a column as it is typed, or None if it has none or another one."""
    value = getattr(default, "arg", None)
    if value is None:
        return None
    text = value.text if isinstance(value, TextClause) else value if isinstance(value, str) else value.name
    text = text.removeprefix("'").removesuffix("'")
    if enum_class is not None:
        return str(enum_class[text].value) if text in enum_class.__members__ else None
    return text if isinstance(value, str | TextClause) else _FUNCTIONS.get(text)
