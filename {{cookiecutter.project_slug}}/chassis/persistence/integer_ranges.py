"""An integer that its column cannot hold is refused with the name of its field; the driver would not name it."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import BigInteger, Integer, SmallInteger
from sqlalchemy.orm import Mapper

from chassis.domain.exceptions import ConflictError, DomainError, ValidationError
from chassis.persistence.loading import is_stored

# https://www.postgresql.org/docs/current/datatype-numeric.html
BITS: Mapping[type[Any], int] = {SmallInteger: 15, BigInteger: 63, Integer: 31}  # subclasses of Integer come first


class IntegerRanges:
    """Knows the first integer beyond each column of a model, and which columns refer to other rows."""

    def __init__(self, mapper: Mapper[Any]) -> None:
        columns = {attribute.key: attribute.columns[0] for attribute in mapper.column_attrs if is_stored(attribute)}
        self._limits = {
            name: 2 ** next(bits for kind, bits in BITS.items() if isinstance(column.type, kind))
            for name, column in columns.items()
            if isinstance(column.type, Integer)
        }
        self._references = {name for name in self._limits if columns[name].foreign_keys}

    def check(self, data: Mapping[str, Any]) -> None:
        """Check the values of a row by the names of its attributes.

        Raises:
            ConflictError: a reference is beyond its column, so it refers to nothing.
            ValidationError: another integer is beyond its column.
        """
        for name, limit in self._limits.items():
            value = data.get(name)
            if isinstance(value, int) and not -limit <= value < limit:
                raise self._error(name)

    def _error(self, name: str) -> DomainError:
        if name in self._references:
            return ConflictError({name: "does not exist"})
        return ValidationError({name: "is out of the range that can be stored"})
