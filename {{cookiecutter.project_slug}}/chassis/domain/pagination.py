"""The part of a list that a caller asks for, and the part it gets."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

DEFAULT_PER_PAGE = 10
MAX_PER_PAGE = 100
MAX_PAGE = 2**31

Entity = TypeVar("Entity")


@dataclass(frozen=True, kw_only=True)
class PageRequest:
    """`page` counts from 1; with `itemized` the whole list is asked for and the other two do not matter.

    With a `cursor`, even an empty one, the rows after it are asked for, and `page` and `itemized` do not matter.
    """

    page: int = 1
    per_page: int = DEFAULT_PER_PAGE
    itemized: bool = False
    cursor: object = None  # whatever a caller sends

    @classmethod
    def from_params(cls, query_params: Mapping[str, Any]) -> "PageRequest":
        """Read `page`, `per_page`, `itemized` (or `itemize`) and `cursor`, and nothing else.

        What is not a number, or is below 1, becomes the default, as clients of the Flask template expect;
        numbers that are too large become the largest one.
        """
        itemized = query_params.get("itemized", query_params.get("itemize", False))
        return cls(
            page=min(_positive(query_params.get("page"), 1), MAX_PAGE),
            per_page=min(_positive(query_params.get("per_page"), DEFAULT_PER_PAGE), MAX_PER_PAGE),
            itemized=str(itemized).lower() == "true",
            cursor=query_params.get("cursor"),
        )

    @property
    def offset(self) -> int:
        return (self.page - 1) * self.per_page


PAGE_PARAMS = frozenset(("page", "per_page", "itemized", "itemize", "cursor", "sort"))


@dataclass(frozen=True, kw_only=True)
class Page(Generic[Entity]):
    """`total` counts all that match, `items` holds those of this page.

    An itemized page holds all that match, and clients do not get its numbers.
    A page by cursor counts nothing: its `total` is None, its `page` has no meaning, and `next_cursor` asks for the
    next page; at the end of the list it is None.
    """

    items: list[Entity]
    total: int | None
    page: int
    per_page: int
    itemized: bool = False
    by_cursor: bool = False
    next_cursor: str | None = None


def _positive(value: object, default: int) -> int:
    try:
        number = int(value)  # type: ignore[call-overload]  # anything that a caller sends
    except (TypeError, ValueError):
        return default
    return int(number) if number > 0 else default
