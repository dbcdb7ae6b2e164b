"""The query string that asks for a page of a list, and the page that the service answers with."""

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema, model_validator

from chassis.domain.pagination import DEFAULT_PER_PAGE, MAX_PER_PAGE, PageRequest
from chassis.http.schemas.query import QuerySchema

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


def _describe_both_pages(schema: dict[str, Any]) -> None:
    schema["required"] = ["items"]
    schema["properties"] |= {"total": {"type": "integer"}, "page": {"type": "integer"}}


class CursorPageSchema(BaseModel, Generic[Item]):
    """A page by cursor, whose `next_cursor` is null if it is the last one; without `cursor`, it is as `PageSchema`."""

    model_config = ConfigDict(json_schema_extra=_describe_both_pages)

    items: list[Item]
    per_page: int
    next_cursor: str | None


@cache
def page_schema(item: type[BaseModel], *, itemized: bool, by_cursor: bool = False) -> type[BaseModel]:
    if by_cursor:
        return CursorPageSchema[item]  # type: ignore[valid-type]
    return ItemsSchema[item] if itemized else PageSchema[item]  # type: ignore[valid-type]


def _or_text(**schema: object) -> WithJsonSchema:
    return WithJsonSchema({"anyOf": [schema, {"type": "string"}]})


class PageQuery(QuerySchema):
    """The query parameters of a list: inherit it and add a field with a default of None for each filter.

    Paging is read leniently, see `PageRequest`; filters are validated, and unknown parameters are ignored.
    """

    page: Annotated[int, _or_text(type="integer", minimum=1)] = Field(
        default=1, description="Counts from 1; anything else counts as 1."
    )
    per_page: Annotated[int, _or_text(type="integer", minimum=1, maximum=MAX_PER_PAGE)] = Field(
        default=DEFAULT_PER_PAGE,
        description=f"At most {MAX_PER_PAGE}; anything that is not a positive number counts as the default.",
    )
    itemized: Annotated[bool, _or_text(type="boolean")] = Field(
        default=False, description="`true`: all items instead of a page, or 400 if there are too many."
    )

    @model_validator(mode="before")
    @classmethod
    def _read_paging(cls, query_string: Mapping[str, Any]) -> Mapping[str, Any]:
        request = PageRequest.from_params(query_string)
        return {**query_string, "page": request.page, "per_page": request.per_page, "itemized": request.itemized}
