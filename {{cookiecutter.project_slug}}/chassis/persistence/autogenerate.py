"""What Alembic's autogenerate must be told about our models to compare and write them correctly."""

from typing import Any, Literal

from sqlalchemy import JSON, Column

from chassis.persistence.model import UTCDateTime


def render_item(kind: str, item: object, _context: object) -> str | Literal[False]:
    """Render our type as what the database gets, so that a migration does not depend on code that changes."""
    if kind == "type" and isinstance(item, UTCDateTime):
        return "sa.DateTime(timezone=True)"
    return False


def compare_server_default(
    _context: object,
    _database_column: object,
    column: Column[Any],
    database_default: str | None,
    _default: object,
    default: str | None,
) -> bool | None:
    """Compare JSON by its text; Alembic would ask PostgreSQL, which cannot compare json with json."""
    if not isinstance(column.type, JSON) or database_default is None or default is None:
        return None  # Alembic's own comparison
    return database_default.partition("::")[0] != default
