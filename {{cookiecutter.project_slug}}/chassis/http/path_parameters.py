"""The parameters of a path in OpenAPI: each converter of Werkzeug, and those of the service, say what they accept."""

import re
from typing import Any

from werkzeug.routing import (
    AnyConverter,
    BaseConverter,
    FloatConverter,
    IntegerConverter,
    Rule,
    UUIDConverter,
)

from chassis.http.schemas.types import MAX_ID

JSONSchema = dict[str, Any]


def document_path(rule: Rule) -> str:
    """Return `/books/{book_id}` for `/books/<int:book_id>`, whatever the converter is."""
    if not rule.arguments:
        return rule.rule
    names = "|".join(map(re.escape, rule.arguments))
    return re.sub(rf"<(?:[^<>]*:)?({names})>", r"{\1}", rule.rule)


def describe_converter(converter: BaseConverter) -> JSONSchema:
    """Return the schema of a parameter; a converter of the service is described by its regular expression."""
    if isinstance(converter, AnyConverter):
        return {"type": "string", "enum": sorted(converter.items)}
    if isinstance(converter, UUIDConverter):
        return {"type": "string", "format": "uuid"}
    if isinstance(converter, IntegerConverter):
        return {"type": "integer", **_limits(converter, MAX_ID)}
    if isinstance(converter, FloatConverter):
        return {"type": "number", **_limits(converter)}
    return {"type": "string", "pattern": f"^(?:{converter.regex})$"}


def _limits(converter: IntegerConverter | FloatConverter, largest: int | None = None) -> JSONSchema:
    """Return the limits of the converter; `largest` is that of the values that can exist."""
    lowest = 0 if not converter.signed else None if largest is None else -largest
    minimum = lowest if converter.min is None else converter.min
    maximum = largest if converter.max is None else converter.max
    limits = {"minimum": minimum, "maximum": maximum}
    return {name: limit for name, limit in limits.items() if limit is not None}
