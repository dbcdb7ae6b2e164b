"""A part of a list, and how to ask for it."""

from functools import cache
from typing import Generic, TypeVar

from pydantic import BaseModel, Field

from src.domain.pagination import DEFAULT_PER_PAGE, MAX_PER_PAGE

Item = TypeVar("Item", bound=BaseModel)


class PageSchema(BaseModel, Generic[Item]):
    items: list[Item]
    total: int
    page: int
    per_page: int


class ItemsSchema(BaseModel, Generic[Item]):
    items: list[Item]


class PageQuery(BaseModel):
    """Documents the query string; it is read by `PageRequest`, which takes a default for what it cannot read."""

    page: int = Field(default=1, ge=1)
    per_page: int = Field(default=DEFAULT_PER_PAGE, ge=1, le=MAX_PER_PAGE)
    itemized: bool = Field(default=False, description="All items instead of a page.")


@cache
def page_schema(item: type[BaseModel], *, itemized: bool) -> type[BaseModel]:
    return ItemsSchema[item] if itemized else PageSchema[item]  # type: ignore[valid-type]
