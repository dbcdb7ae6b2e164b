"""The base of all models: names of constraints, types of columns, a readable `repr`."""

import enum
from datetime import UTC, datetime
from typing import ClassVar

from sqlalchemy import DateTime, Dialect, Enum, MetaData
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator

NAMING_CONVENTION = {  # a constraint without a name can be neither migrated nor recognised in an error
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class UTCDateTime(TypeDecorator[datetime]):
    """A moment, always with its offset: databases without one, SQLite for instance, hold it in UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            msg = f"{value!r} has no offset; which moment is meant?"
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
        enum.Enum: Enum(enum.Enum, native_enum=False),  # a type of PostgreSQL's own would survive a downgrade
    }

    def repr(self, **fields: object) -> str:
        """`<User(id=1, name='a')>`, for `__repr__` of a model."""
        return f"<{type(self).__name__}({', '.join(f'{key}={value!r}' for key, value in fields.items())})>"
