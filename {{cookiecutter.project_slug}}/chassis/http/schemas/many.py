"""A client that sends one value for a list sends it as it would send a single value."""

from collections.abc import Collection
from functools import cache
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel


@cache
def fields_with_many(schema: type[BaseModel]) -> frozenset[str]:
    """Return the names of the fields that take several values: lists, sets and tuples, also nullable ones."""
    return frozenset(name for name, field in schema.model_fields.items() if _is_collection(field.annotation))


def as_list(value: Any) -> Any:  # noqa: ANN401 - whatever a client sends
    return value if isinstance(value, list) else [value]


def _is_collection(annotation: Any) -> bool:  # noqa: ANN401 - any type
    origin = get_origin(annotation)
    if origin in (Union, UnionType):
        return any(_is_collection(part) for part in get_args(annotation))
    if origin is Annotated:
        return _is_collection(get_args(annotation)[0])
    kind = origin or annotation
    return isinstance(kind, type) and issubclass(kind, Collection) and not issubclass(kind, str | bytes | dict)


def describe_without_null(schema: dict[str, Any]) -> None:
    """Document neither null nor a default of null, because a form and a query string cannot send null."""
    for field in schema.get("properties", {}).values():
        if field.get("default", 0) is None:
            del field["default"]
        kinds = [kind for kind in field.get("anyOf", []) if kind != {"type": "null"}]
        if kinds:
            field["anyOf"] = kinds
        if len(kinds) == 1:
            del field["anyOf"]
            field.update({**kinds[0], **field})
