"""Which part of a list is asked for, and that part: read leniently, as the clients of the first version expect."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

DEFAULT_PER_PAGE = 10
MAX_PER_PAGE = 100
MAX_PAGE = 2**31

Entity = TypeVar("Entity")


@dataclass(frozen=True, kw_only=True)
class PageRequest:
    page: int = 1
    per_page: int = DEFAULT_PER_PAGE
    itemized: bool = False

    @classmethod
    def of(cls, query_params: Mapping[str, Any]) -> "PageRequest":
        """Reads `page`, `per_page` and `itemized` (or `itemize`); what is no number, or below 1, is the default."""
        itemized = query_params.get("itemized", query_params.get("itemize", False))
        return cls(
            page=min(_positive(query_params.get("page"), 1), MAX_PAGE),
            per_page=min(_positive(query_params.get("per_page"), DEFAULT_PER_PAGE), MAX_PER_PAGE),
            itemized=str(itemized).lower() == "true",
        )

    @property
    def offset(self) -> int:
        return (self.page - 1) * self.per_page


@dataclass(frozen=True, kw_only=True)
class Page(Generic[Entity]):
    """`total` counts all that match; `items` holds those of this page, ordered by id."""

    items: list[Entity]
    total: int
    page: int
    per_page: int


def _positive(value: Any, default: int) -> int:  # noqa: ANN401 - whatever a caller sends
    try:
        number = int(value)
    except (TypeError, ValueError):
        return default
    return number if number > 0 else default
