"""Query strings: the fields of a query model are what clients may ask for, and nothing else reaches a repository."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from chassis.http.schemas.many import as_list, describe_without_null, fields_with_many

MAX_VALUES = 100  # of a parameter whose name ends with __in
MAX_CURSOR_LENGTH = 8000  # characters; servers accept URLs of about that length
ONE_OF = "__in"
_TRUTH = {"true": True, "false": False}

Cursor = Annotated[
    str,
    Field(
        max_length=MAX_CURSOR_LENGTH,
        description="Asks for pages by cursor: empty for the first page, then `next_cursor` of the page before.",
    ),
]


class QuerySchema(BaseModel):
    """The base of schemas for query strings; unknown parameters are ignored."""

    model_config = ConfigDict(allow_inf_nan=False, json_schema_extra=describe_without_null)

    def params(self) -> dict[str, Any]:
        """Return the values that were sent, or have a default, under the names that a repository knows."""
        return self.model_dump(exclude_none=True)

    @field_validator("*", mode="before")
    @classmethod
    def _read_value(cls, value: Any, info: ValidationInfo) -> Any:  # noqa: ANN401 - text or a list of texts
        name = info.field_name or ""
        if name in fields_with_many(cls):
            return _split(as_list(value)) if name.endswith(ONE_OF) else as_list(value)
        if isinstance(value, str) and _is_truth(cls.model_fields[name].annotation):
            return _read_truth(value)
        return value


def _is_truth(annotation: object) -> bool:
    return annotation is bool or bool in get_args(annotation)


def _read_truth(text: str) -> bool:
    """Read what JSON calls true and false, because 0 or `off` is a value of another type."""
    if text not in _TRUTH:
        msg = "must be true or false"
        raise ValueError(msg)
    return _TRUTH[text]


def _split(values: Sequence[Any]) -> list[Any]:
    """Split texts at commas; an empty text has no values."""
    parts: list[Any] = []
    for value in values:
        if isinstance(value, str):
            parts += value.split(",", MAX_VALUES) if value else []
        else:
            parts.append(value)
        if len(parts) > MAX_VALUES:
            msg = f"must have at most {MAX_VALUES} values"
            raise ValueError(msg)
    return parts


def sort_by(*names: str) -> Any:  # noqa: ANN401 - the default of a field
    """Return the default of the field `sort`, which takes these names, each once, with `-` for descending order.

    sort: str | None = sort_by("title", "published")
    """
    choices = ", ".join(f"`{name}`" for name in names)
    field: Any = Field(
        default=None,
        description=f"Names separated by commas, with `-` in front of a name for descending order: {choices}.",
        json_schema_extra={"pattern": sort_pattern(names)},
    )
    field.metadata.append(AfterValidator(_sort_reader(names)))
    return field


def sort_pattern(names: Sequence[str]) -> str:
    """Return a pattern for one or several of the names, no name twice, or nothing."""
    once = "".join(f"(?!(.*,)?-?{name},(.*,)?-?{name}(,|$))" for name in names) if len(names) > 1 else ""
    name = f"-?({'|'.join(names)})"
    more = f"(,{name})" + "{0," + f"{len(names) - 1}" + "}" if len(names) > 1 else ""
    return f"^{once}({name}{more})?$"


def _sort_reader(names: Sequence[str]) -> Callable[[str | None], str | None]:
    def read_sort(value: str | None) -> str | None:
        """Return the text, or None if it is empty."""
        if not value:
            return None
        parts = [part.removeprefix("-") for part in value.split(",", len(names))]
        if not set(parts) <= set(names) or len(parts) > len(set(parts)):
            msg = f"must consist of {', '.join(names)}, each at most once, with - for descending order"
            raise ValueError(msg)
        return value

    return read_sort
