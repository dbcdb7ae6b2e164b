"""The base class of all models; it names constraints, because Alembic and error messages refer to them by name."""

import enum
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

from sqlalchemy import DateTime, Dialect, Enum, MetaData
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator

from chassis.persistence.naming import (
    name_check,
    name_exclusion,
    name_foreign_key,
    name_index,
    name_primary_key,
    name_unique,
)

NAMING_CONVENTION: Mapping[Any, Any] = {  # the values are names of functions below, in the form that SQLAlchemy expects
    "ix": "%(index_name)s",
    "uq": "%(unique_name)s",
    "ck": "%(check_constraint_name)s",  # with `constraint_name` in it, named constraints get a prefix, too
    "fk": "%(foreign_key_name)s",
    "pk": "%(primary_key_name)s",
    ExcludeConstraint: "%(exclusion_name)s",
    "index_name": name_index,
    "unique_name": name_unique,
    "check_constraint_name": name_check,
    "foreign_key_name": name_foreign_key,
    "primary_key_name": name_primary_key,
    "exclusion_name": name_exclusion,
}


class UTCDateTime(TypeDecorator[datetime]):
    """A moment with its offset; databases that store no offset, such as SQLite, hold it in UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            msg = f"{value!r} has no offset, so it names no moment"
            raise ValueError(msg)
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None or value.tzinfo is not None:
            return value
        return value.replace(tzinfo=UTC)


class ModelExtension(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING_CONVENTION)
    type_annotation_map: ClassVar = {
        datetime: UTCDateTime(),
        # PostgreSQL's own enum types cannot lose a member, and would survive a downgrade.
        enum.Enum: Enum(enum.Enum, native_enum=False, create_constraint=True),
    }

    def repr(self, **fields: object) -> str:
        """Return `<User(id=1, name='a')>`, for the `__repr__` of a model."""
        return f"<{type(self).__name__}({', '.join(f'{key}={value!r}' for key, value in fields.items())})>"
