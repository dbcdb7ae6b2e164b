"""A part of a list, and how to ask for it."""

from functools import cache
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from src.domain.pagination import DEFAULT_PER_PAGE, MAX_PER_PAGE

Item = TypeVar("Item", bound=BaseModel)


class PageSchema(BaseModel, Generic[Item]):
    model_config = ConfigDict(
        json_schema_extra={"required": ["items"], "description": "With `itemized` there are `items` and nothing else."}
    )

    items: list[Item]
    total: int
    page: int
    per_page: int


class ItemsSchema(BaseModel, Generic[Item]):
    items: list[Item]


def _or_text(**schema: Any) -> WithJsonSchema:
    return WithJsonSchema({"anyOf": [schema, {"type": "string"}]})


class PageQuery(BaseModel):
    """Documents the query string; it is read by `PageRequest`, which takes a default for what it cannot read."""

    page: Annotated[int, _or_text(type="integer", minimum=1)] = Field(
        default=1, description="Counts from 1, and anything else counts as 1."
    )
    per_page: Annotated[int, _or_text(type="integer", minimum=1, maximum=MAX_PER_PAGE)] = Field(
        default=DEFAULT_PER_PAGE, description=f"At most {MAX_PER_PAGE}; what is no number from 1 counts as the default."
    )
    itemized: Annotated[bool, _or_text(type="boolean")] = Field(
        default=False, description="`true`: all items instead of a page, or 400 where there are too many."
    )


@cache
def page_schema(item: type[BaseModel], *, itemized: bool) -> type[BaseModel]:
    return ItemsSchema[item] if itemized else PageSchema[item]  # type: ignore[valid-type]
