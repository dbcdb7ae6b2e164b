"""A key is an integer, a UUID or a text; a value that a column cannot hold is the key of no row, and not an error."""

import uuid
from collections.abc import Callable
from typing import Any

from sqlalchemy import Enum, Integer, String, Uuid
from sqlalchemy.types import TypeEngine

from chassis.domain.lookups import is_storable

MIN_INTEGER, MAX_INTEGER = -(2**63), 2**63 - 1  # PostgreSQL has no larger ones

# The default of a key, `mapped_column(primary_key=True, default=uuid7)`: ordered by time with Python 3.14, RFC 9562,
# and random before.
uuid7: Callable[[], uuid.UUID] = getattr(uuid, "uuid7", uuid.uuid4)


def is_possible_key(value: object, column_type: TypeEngine[Any]) -> bool:
    """Return whether a column of this type can hold the value; a text is not a UUID, even if it is that of one."""
    match column_type:
        case Integer():
            return isinstance(value, int) and not isinstance(value, bool) and MIN_INTEGER <= value <= MAX_INTEGER
        case Uuid(as_uuid=True):
            return isinstance(value, uuid.UUID)
        case Uuid():
            return isinstance(value, str) and _is_uuid(value)
        case Enum():
            members = column_type.enum_class
            return value in column_type.enums if members is None else isinstance(value, members)
        case String():
            return isinstance(value, str) and is_storable(value)
    return True


def _is_uuid(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True
