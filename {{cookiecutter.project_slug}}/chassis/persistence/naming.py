"""Names of constraints and indexes: two of them never collide, and PostgreSQL never has to shorten one.

A name lists its table and its columns, for instance `ix_users_email`. Two underscores separate the parts of a name
that could be read in two ways: `uq_member__tenant_id__email`, `ix_user_role__id`.
A digest follows if these parts do not tell everything, for instance in the name of an index on an expression.
"""

from collections.abc import Sequence
from hashlib import sha256

from sqlalchemy import (
    URL,
    CheckConstraint,
    ClauseElement,
    Column,
    ForeignKeyConstraint,
    Index,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import ExcludeConstraint

MAX_BYTES = 63  # https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS
DIGEST_LENGTH = 8
DIALECT = URL.create("postgresql+asyncpg").get_dialect()()
INDEX_OPTIONS = ("postgresql_where", "postgresql_using", "postgresql_ops")  # those that make another index of it


def name_index(index: Index, table: Table) -> str:
    columns = [column.name for column in index.columns]
    details = [value for option, value in sorted(index.dialect_kwargs.items()) if option in INDEX_OPTIONS]
    if not all(isinstance(expression, Column) for expression in index.expressions):
        details += index.expressions
    return _compose("ix", [table.name, *columns], clear="_" not in table.name and len(columns) == 1, details=details)


def name_unique(constraint: UniqueConstraint, table: Table) -> str:
    columns = [column.name for column in constraint.columns]
    return _compose("uq", [table.name, *columns], clear="_" not in table.name and len(columns) == 1)


def name_foreign_key(constraint: ForeignKeyConstraint, table: Table) -> str:
    """Foreign keys of two tables may have the same name, so only columns and target have to be told apart."""
    columns = [element.parent.name for element in constraint.elements]
    schema, target, _ = constraint.elements[0].target_tokens
    parts = [*columns, schema, target] if schema else [*columns, target]
    return _compose(f"fk_{table.name}", parts, clear="_" not in target and len(parts) == 2)


def name_check(constraint: CheckConstraint, table: Table) -> str:
    """Return a name made from the given one, or from the column whose type needs the check, or from the SQL."""
    if getattr(constraint, "_type_bound", False):  # it belongs to an Enum or a Boolean
        return _compose(f"ck_{table.name}_", [column.name for column in constraint.columns], clear=False)
    if isinstance(constraint.name, str):
        return _fit(f"ck_{table.name}_{constraint.name}")
    return _fit(f"ck_{table.name}", [constraint.sqltext])


def name_exclusion(constraint: ExcludeConstraint, table: Table) -> str:
    elements = [part for expression, _, operator in constraint._render_exprs for part in (expression, operator)]  # noqa: SLF001
    options = [getattr(constraint, option, None) for option in ("using", "where")]  # perhaps not set yet
    return _fit(f"ex_{table.name}", [*elements, *options])


def name_primary_key(_constraint: PrimaryKeyConstraint, table: Table) -> str:
    return _fit(f"pk_{table.name}")


def _compose(prefix: str, parts: Sequence[str], *, clear: bool, details: Sequence[object] = ()) -> str:
    name = f"{prefix}_{('_' if clear else '__').join(parts)}"
    odd = any(part.strip("_") != part or "__" in part for part in parts)
    return _fit(name, [*parts, *details] if odd or details else ())


def _fit(name: str, details: Sequence[object] = ()) -> str:
    encoded = name.encode()
    if len(encoded) <= MAX_BYTES and not details:
        return name
    digest = sha256("\0".join([name, *map(_describe, details)]).encode()).hexdigest()[:DIGEST_LENGTH]
    return f"{encoded[: MAX_BYTES - DIGEST_LENGTH - 1].decode(errors='ignore')}_{digest}"


def _describe(detail: object) -> str:
    if not isinstance(detail, ClauseElement):
        return str(detail)
    compiled = detail.compile(dialect=DIALECT)
    values = {name: parameter.value for parameter, name in getattr(compiled, "bind_names", {}).items()}
    return f"{compiled} {values}"
