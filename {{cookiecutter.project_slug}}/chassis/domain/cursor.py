"""A cursor holds the values of the last row of a page, and a checksum that binds it to one list, order and filters.

The checksum detects mistakes and altered text. It is not a signature: a caller may ask for any place in its own list.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from hashlib import blake2b
from typing import Any
from uuid import UUID

from chassis.domain.exceptions import ValidationError
from chassis.domain.sorting import SortField

MAX_CURSOR_LENGTH = 4096  # characters; a URL of eight thousand passes all usual proxies
CHECKSUM_SIZE = 12  # bytes

# The letter of each type, and functions that write and read its values. A subclass precedes its base class.
# A member of an enum is written by its name, and whoever reads the cursor knows its class.
_TYPES: tuple[tuple[str, type[Any], Callable[[Any], str], Callable[[str], Any]], ...] = (
    ("e", Enum, lambda value: value.name, str),
    ("b", bool, lambda value: str(int(value)), lambda text: {"0": False, "1": True}[text]),
    ("i", int, str, int),
    ("f", float, float.hex, float.fromhex),
    ("s", str, str, str),
    ("n", Decimal, str, Decimal),
    ("m", datetime, datetime.isoformat, datetime.fromisoformat),
    ("d", date, date.isoformat, date.fromisoformat),
    ("t", time, time.isoformat, time.fromisoformat),
    ("p", timedelta, lambda value: f"{value.days} {value.seconds} {value.microseconds}", lambda text: _period(text)),
    ("u", UUID, str, UUID),
    ("y", bytes, bytes.hex, bytes.fromhex),
)
_READERS = {letter: read for letter, _type, _write, read in _TYPES}


def cursor_scope(owner: str, order: Sequence[SortField], filters: Mapping[str, Any]) -> str:
    """Return a text that differs between lists, orders and filters, and is the same in every worker process."""
    fields = [[field.name, field.descending] for field in order]
    return json.dumps([owner, fields, sorted((name, _describe(value)) for name, value in filters.items())])


def write_cursor(values: Iterable[object], scope: str) -> str:
    """Return the cursor of a row.

    Raises:
        TypeError: a value has a type that a cursor cannot hold.
        ValidationError: the values are too long.
    """
    payload = json.dumps([_write_value(value) for value in values], separators=(",", ":")).encode()
    cursor = urlsafe_b64encode(_checksum(payload, scope) + payload).decode().rstrip("=")
    if len(cursor) > MAX_CURSOR_LENGTH:
        raise ValidationError({"sort": "has values that are too long for a cursor"})
    return cursor


def read_cursor(cursor: object, scope: str, length: int) -> list[Any]:
    """Return the values that `write_cursor` was called with; a member of an enum is its name.

    Raises:
        ValidationError: the text is not a cursor, was altered, or belongs to another list, order or filters.
    """
    if not isinstance(cursor, str) or not 0 < len(cursor) <= MAX_CURSOR_LENGTH:
        raise invalid_cursor()
    try:
        data = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        checksum, payload = data[:CHECKSUM_SIZE], data[CHECKSUM_SIZE:]
        if checksum != _checksum(payload, scope) or urlsafe_b64encode(data).decode().rstrip("=") != cursor:
            raise invalid_cursor()
        values = [_read_value(text) for text in json.loads(payload)]
    except (ValueError, ArithmeticError, LookupError, TypeError, AttributeError):
        raise invalid_cursor() from None
    if len(values) != length:
        raise invalid_cursor()
    return values


def invalid_cursor() -> ValidationError:
    return ValidationError({"cursor": "is not a cursor of this list: start again with an empty one"})


def _checksum(payload: bytes, scope: str) -> bytes:
    return blake2b(scope.encode("utf-8", "surrogatepass") + b"\x00" + payload, digest_size=CHECKSUM_SIZE).digest()


def _write_value(value: object) -> str | None:
    if value is None:
        return None
    for letter, python_type, write, _read in _TYPES:
        if isinstance(value, python_type):
            return letter + write(value)
    msg = f"A cursor cannot hold {value!r}: sort by another field."
    raise TypeError(msg)


def _read_value(text: str | None) -> Any:  # noqa: ANN401
    return None if text is None else _READERS[text[:1]](text[1:])


def _period(text: str) -> timedelta:
    days, seconds, microseconds = map(int, text.split(" "))
    return timedelta(days, seconds, microseconds)


def _describe(value: object) -> str:
    """Describe the value of a filter; the order of a set depends on the worker process."""
    if isinstance(value, set | frozenset):
        return repr(sorted(map(repr, value)))
    return repr(list(value)) if isinstance(value, tuple) else repr(value)
