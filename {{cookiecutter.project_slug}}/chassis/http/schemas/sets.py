"""A set refuses a value that is sent twice, as its JSON Schema says; pydantic would drop one of them."""

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

Location = tuple[int | str, ...]


@cache
def has_sets(schema: type[BaseModel]) -> bool:
    return '"uniqueItems"' in json.dumps(schema.model_json_schema(), default=str)


def refuse_repetition(data: Any, body: BaseModel) -> None:  # noqa: ANN401 - any JSON value
    """Compare what was sent with the sets that it became.

    Raises:
        ValidationError: a list has a value twice.
    """
    places = list(_find_repetitions(data, body))
    if places:
        mistake = PydanticCustomError("repetition", "must not have a value twice")
        errors = [InitErrorDetails(type=mistake, loc=place, input=None) for place in places]
        raise ValidationError.from_exception_data(type(body).__name__, errors)


def _find_repetitions(data: Any, value: Any, place: Location = ()) -> Iterator[Location]:  # noqa: ANN401
    if isinstance(value, set | frozenset):
        if isinstance(data, list) and len(data) > len(value):
            yield place
    elif isinstance(value, BaseModel) and isinstance(data, dict):
        for name in value.model_fields_set:
            sent_as = type(value).model_fields[name].alias or name
            yield from _find_repetitions(data.get(sent_as), getattr(value, name), (*place, sent_as))
    elif isinstance(value, list | tuple) and isinstance(data, list):
        for index, (sent, item) in enumerate(zip(data, value, strict=False)):
            yield from _find_repetitions(sent, item, (*place, index))
