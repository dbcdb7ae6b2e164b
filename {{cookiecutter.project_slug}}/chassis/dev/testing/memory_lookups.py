"""Lookups, sorting and cursors for entities in memory, as PostgreSQL does them; text is compared by code point."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from typing import Any, TypeVar

from chassis.domain.cursor import invalid_cursor
from chassis.domain.lookups import Lookup
from chassis.domain.sorting import SortField

Item = TypeVar("Item")

_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "gt": lambda stored, value: stored > value,
    "gte": lambda stored, value: stored >= value,
    "lt": lambda stored, value: stored < value,
    "lte": lambda stored, value: stored <= value,
    "contains": lambda stored, value: value in stored,
    "icontains": lambda stored, value: value.lower() in stored.lower(),
    "startswith": lambda stored, value: stored.startswith(value),
}


def matches(item: object, lookup: Lookup) -> bool:
    """Return whether the entity satisfies the condition."""
    stored, value = _read(item, lookup.field), lookup.value
    if lookup.operator == "isnull":
        return (stored is None) is value
    if lookup.operator in ("eq", "ne"):
        return (stored == value) is (lookup.operator == "eq")
    if lookup.operator == "in":
        return stored in value
    _require_text(stored, lookup)
    if stored is None or value is None:
        return False
    return _OPERATORS[lookup.operator](_comparable(stored), _comparable(value))


def sort_items(items: Iterable[Item], order: Sequence[SortField]) -> list[Item]:
    """Return the entities in this order."""
    found = list(items)
    for field in reversed(order):
        found.sort(key=lambda item, name=field.name: _sort_key(_read(item, name)), reverse=field.descending)  # type: ignore[misc]
    return found


def values_of(item: object, order: Sequence[SortField]) -> list[Any]:
    """Return the values that the entity is sorted by."""
    return [_read(item, field.name) for field in order]


def follows(item: object, values: Sequence[object], order: Sequence[SortField]) -> bool:
    """Return whether the entity comes after one with these values.

    Raises:
        ValidationError: the values do not suit the fields.
    """
    try:
        for stored, value, field in zip(values_of(item, order), values, order, strict=True):
            here, there = _sort_key(stored), _sort_key(value)
            if here != there:
                return (here < there) is field.descending
    except TypeError:
        raise invalid_cursor() from None
    return False


def _read(item: object, name: str) -> Any:  # noqa: ANN401 - a value of any type
    return getattr(item, name, None)


def _sort_key(value: object) -> tuple[bool, Any]:
    return value is None, _comparable(value) if value is not None else 0


def _comparable(value: Any) -> Any:  # noqa: ANN401
    """Return the value as it is stored: a member of an enum by its name."""
    return value.name if isinstance(value, Enum) else value


def _require_text(stored: object, lookup: Lookup) -> None:
    if lookup.operator in ("contains", "icontains", "startswith") and not isinstance(stored, str | None):
        msg = f"{lookup.name} needs a text, and {lookup.field} is {stored!r}"
        raise TypeError(msg)
