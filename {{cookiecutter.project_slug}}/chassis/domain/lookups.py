"""Filters are named like Django's lookups: a field, or a field, two underscores and an operator."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from chassis.domain.exceptions import ValidationError

EQUAL = "eq"
TEXT_OPERATORS = frozenset(("contains", "icontains", "startswith"))
OPERATORS = frozenset(("ne", "gt", "gte", "lt", "lte", "in", "isnull")) | TEXT_OPERATORS
MAX_VALUES = 30_000  # of one `__in`; a statement of PostgreSQL has at most 32767 parameters

IsField = Callable[[str], bool]


@dataclass(frozen=True)
class Lookup:
    """A condition on one field; `name` is the parameter that it came from."""

    name: str
    field: str
    operator: str
    value: Any


def read_lookups(params: Mapping[str, Any], is_field: IsField, owner: str) -> list[Lookup]:
    """Return the conditions that the parameters name.

    Raises:
        TypeError: a name is neither a field nor a lookup of one, or a value does not suit its operator.
        ValidationError: no text that is stored can be equal or similar to the value.
    """
    found = {name: _split(name, is_field) for name in params}
    if unknown := sorted(name for name, parts in found.items() if parts is None):
        msg = f"{owner} does not filter by {', '.join(unknown)}"
        raise TypeError(msg)
    return [_check(Lookup(name, *parts, params[name])) for name, parts in found.items() if parts]


def _split(name: str, is_field: IsField) -> tuple[str, str] | None:
    """Split a name into a field and an operator; a field whose own name looks like a lookup goes first."""
    if is_field(name):
        return name, EQUAL
    field, separator, operator = name.rpartition("__")
    return (field, operator) if separator and operator in OPERATORS and is_field(field) else None


def _check(lookup: Lookup) -> Lookup:
    if lookup.operator == "in":
        return Lookup(lookup.name, lookup.field, "in", _read_values(lookup))
    if lookup.operator == "isnull" and not isinstance(lookup.value, bool):
        msg = f"{lookup.name} takes True or False, not {lookup.value!r}"
        raise TypeError(msg)
    if lookup.operator in TEXT_OPERATORS and not isinstance(lookup.value, str | None):
        msg = f"{lookup.name} takes a text, not {lookup.value!r}"
        raise TypeError(msg)
    _require_storable(lookup.name, [lookup.value])
    return lookup


def _read_values(lookup: Lookup) -> list[Any]:
    if isinstance(lookup.value, str | bytes | Mapping) or not isinstance(lookup.value, Collection):
        msg = f"{lookup.name} takes a list of values, not {lookup.value!r}"
        raise TypeError(msg)
    values = list(lookup.value)
    if len(values) > MAX_VALUES:
        raise ValidationError({lookup.name: f"has more than {MAX_VALUES} values"})
    _require_storable(lookup.name, values)
    return values


def _require_storable(name: str, values: Iterable[object]) -> None:
    for value in values:
        if isinstance(value, str) and not is_storable(value):
            raise ValidationError({name: "has a character that cannot be stored"})


def is_storable(text: str) -> bool:
    """Return whether PostgreSQL can store the text: it has neither NUL nor half a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\x00" not in text
