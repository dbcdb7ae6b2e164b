"""The query string that asks for a page of a list, and the page that the service answers with."""

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema, model_validator

from chassis.domain.pagination import DEFAULT_PER_PAGE, MAX_PER_PAGE, PageRequest
from chassis.http.schemas.many import describe_without_null
from chassis.http.schemas.query import QuerySchema

Item = TypeVar("Item", bound=BaseModel)


class PageSchema(BaseModel, Generic[Item]):
    """One page, and the number of all items."""

    items: list[Item]
    total: int
    page: int
    per_page: int


class ItemsSchema(BaseModel, Generic[Item]):
    items: list[Item]


def _describe_both_pages(schema: dict[str, Any]) -> None:
    schema["required"] = ["items", "per_page"]
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


def _leave_out_itemized(schema: dict[str, Any]) -> None:
    describe_without_null(schema)
    schema["properties"].pop("itemized")


class PageQuery(QuerySchema):
    """The query parameters of a list: inherit it and add a field with a default of None for each filter.

    Paging is read leniently, see `PageRequest`; filters are validated, and unknown parameters are ignored.
    `itemized=true`, which answers with `items` alone, is for clients of the Flask template: the document leaves it
    out, because every page would have optional members in typed clients.
    """

    model_config = ConfigDict(json_schema_extra=_leave_out_itemized)

    page: Annotated[int, WithJsonSchema({"type": "integer", "minimum": 1})] = Field(
        default=1, description="Counts from 1; anything else counts as 1."
    )
    per_page: Annotated[int, WithJsonSchema({"type": "integer", "minimum": 1, "maximum": MAX_PER_PAGE})] = Field(
        default=DEFAULT_PER_PAGE,
        description=f"At most {MAX_PER_PAGE}; anything that is not a positive number counts as the default.",
    )
    itemized: bool = False

    @model_validator(mode="before")
    @classmethod
    def _read_paging(cls, query_string: Mapping[str, Any]) -> Mapping[str, Any]:
        request = PageRequest.from_params(query_string)
        return {**query_string, "page": request.page, "per_page": request.per_page, "itemized": request.itemized}
