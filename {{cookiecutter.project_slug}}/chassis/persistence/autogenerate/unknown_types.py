"""SQLAlchemy warns of a column whose type it does not know, and would lose that type on a downgrade."""

from collections.abc import Callable
from functools import partial

from sqlalchemy import Connection, text

from chassis.persistence.sql_type import SQLType

_NAMES = text("""
    SELECT DISTINCT format_type(part.oid, NULL) FROM pg_attribute
    JOIN pg_class ON pg_class.oid = attrelid AND relkind IN ('r', 'p', 'f')
    JOIN pg_namespace ON pg_namespace.oid = relnamespace AND nspname NOT IN ('pg_catalog', 'information_schema')
    JOIN pg_type whole ON whole.oid = atttypid
    JOIN pg_type part ON part.oid = CASE WHEN whole.typcategory = 'A' THEN whole.typelem ELSE whole.oid END
    WHERE attnum > 0 AND NOT attisdropped AND part.typtype NOT IN ('e', 'd')""")


def register_unknown_types(connection: Connection) -> None:
    """Let SQLAlchemy read such columns as `SQLType`, on this connection."""
    known = connection.dialect.ischema_names  # type: ignore[attr-defined]
    unknown = {name for name in connection.scalars(_NAMES) if name.lower() not in known}
    types: dict[str, Callable[..., SQLType]] = {name.lower(): partial(_make_type, name) for name in unknown}
    connection.dialect.ischema_names = {**known, **types}  # type: ignore[attr-defined]


def _make_type(name: str, *modifiers: object, **_options: object) -> SQLType:
    return SQLType(f"{name}({','.join(map(str, modifiers))})" if modifiers else name)
