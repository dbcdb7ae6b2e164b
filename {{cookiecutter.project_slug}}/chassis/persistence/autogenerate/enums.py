"""Alembic does not look at the members of PostgreSQL's own enum types."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, MetaData, text
from sqlalchemy.dialects.postgresql import ENUM

from chassis.persistence.autogenerate.requirements import find_named_types

_MEMBERS = text("SELECT enumlabel FROM pg_enum WHERE enumtypid = to_regtype(:name) ORDER BY enumsortorder")
_COLUMNS = text("""
    SELECT attrelid::regclass::text, quote_ident(attname), typcategory = 'A', pg_get_expr(adbin, adrelid)
    FROM pg_attribute
    JOIN pg_class ON pg_class.oid = attrelid AND relkind IN ('r', 'p') AND NOT relispartition
    JOIN pg_type ON pg_type.oid = atttypid AND to_regtype(:name) IN (pg_type.oid, typelem)
    LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE NOT attisdropped
    ORDER BY 1, 2""")

Members = Sequence[str]


@dataclass(frozen=True)
class EnumColumn:
    table: str  # in SQL, like the other names
    name: str
    is_array: bool
    default: str | None

    def convert(self, type_: str) -> Iterator[str]:
        alter = f"ALTER TABLE {self.table} ALTER COLUMN {self.name}"
        brackets = "[]" * self.is_array
        if self.default:
            yield f"{alter} DROP DEFAULT"
        yield f"{alter} TYPE {type_}{brackets} USING {self.name}::text{brackets}::{type_}{brackets}"
        if self.default:
            yield f"{alter} SET DEFAULT {self.default}"


@dataclass(frozen=True)
class EnumChange:
    name: str
    old_name: str  # of the type that is replaced
    rename: str
    before: Members
    after: Members
    columns: Sequence[EnumColumn]

    def statements(self) -> tuple[str, ...]:
        return tuple(self._statements(self.before, self.after))

    def undo(self) -> tuple[str, ...]:
        return tuple(self._statements(self.after, self.before))

    def replace(self, members: Members) -> Iterator[str]:
        """Give the name to a new type; columns keep the old one."""
        yield self.rename
        yield f"CREATE TYPE {self.name} AS ENUM ({', '.join(map(_quote, members))})"

    def _statements(self, before: Members, after: Members) -> Iterator[str]:
        """PostgreSQL can add a member, but to remove one, every column has to be rewritten."""
        remaining = iter(after)
        if all(member in remaining for member in before):
            yield from self._add(before, after)
            return
        yield from self.replace(after)
        for column in self.columns:
            yield from column.convert(self.name)
        yield f"DROP TYPE {self.old_name}"

    def _add(self, before: Members, after: Members) -> Iterator[str]:
        for previous, member in zip([None, *after], after, strict=False):
            if member not in before:
                place = f"AFTER {_quote(previous)}" if previous else f"BEFORE {_quote(before[0])}"
                yield f"ALTER TYPE {self.name} ADD VALUE {_quote(member)} {place}"


def find_enum_changes(connection: Connection, metadata: MetaData) -> list[EnumChange]:
    """Return the differences between the members of enum types in the models and in the database."""
    process = connection.dialect.type_compiler_instance.process
    types = {process(type_): type_ for type_ in find_named_types(connection.dialect, metadata)}
    changes = []
    for name, type_ in types.items():
        before = connection.scalars(_MEMBERS, {"name": name}).all()
        if isinstance(type_, ENUM) and before and list(before) != type_.enums:
            changes.append(_describe_change(connection, name, type_, before))
    return changes


def _describe_change(connection: Connection, name: str, type_: ENUM, before: Members) -> EnumChange:
    preparer = connection.dialect.identifier_preparer
    renamed = preparer.quote(f"{type_.name}_before")
    return EnumChange(
        name=name,
        old_name=f"{preparer.quote_schema(type_.schema)}.{renamed}" if type_.schema else renamed,
        rename=f"ALTER TYPE {name} RENAME TO {renamed}",
        before=before,
        after=type_.enums,
        columns=[EnumColumn(*row) for row in connection.execute(_COLUMNS, {"name": name})],
    )


def _quote(member: str) -> str:
    return "'" + member.replace("'", "''") + "'"
