"""Extensions, schemas, types and sequences come before the first table; Alembic creates none of them."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ARRAY, Connection, Dialect, Enum, MetaData, Sequence, Table, text
from sqlalchemy.dialects.postgresql import DOMAIN, ENUM, CreateDomainType, CreateEnumType
from sqlalchemy.schema import CreateSequence, ExecutableDDLElement
from sqlalchemy.types import TypeDecorator, TypeEngine

EXTENSIONS = {  # by the types that they bring
    "citext": "citext",
    "geography": "postgis",
    "geometry": "postgis",
    "hstore": "hstore",
    "ltree": "ltree",
    "vector": "vector",
}
_EXISTS = {  # in the order in which they are created
    "EXTENSION": text("SELECT EXISTS (SELECT FROM pg_extension WHERE quote_ident(extname) = :name)"),
    "SCHEMA": text("SELECT to_regnamespace(:name) IS NOT NULL"),
    "TYPE": text("SELECT to_regtype(:name) IS NOT NULL"),
    "DOMAIN": text("SELECT to_regtype(:name) IS NOT NULL"),
    "SEQUENCE": text("SELECT to_regclass(:name) IS NOT NULL"),
}


@dataclass(frozen=True)
class Requirement:
    """An object of the database, and the statement that creates it."""

    kind: str
    name: str  # in SQL
    create: str

    @property
    def drop(self) -> str:
        return f"DROP {self.kind} {self.name}"

    def exists(self, connection: Connection) -> bool:
        return bool(connection.scalar(_EXISTS[self.kind], {"name": self.name}))


def find_missing(connection: Connection, metadata: MetaData) -> list[Requirement]:
    """Return what the models need and the database lacks, in the order in which it has to be created."""
    found = dict.fromkeys(_find_all(connection.dialect, metadata))
    missing = [requirement for requirement in found if not requirement.exists(connection)]
    return sorted(missing, key=lambda requirement: list(_EXISTS).index(requirement.kind))


def _find_all(dialect: Dialect, metadata: MetaData) -> Iterator[Requirement]:
    types = _find_types(dialect, metadata)
    named = find_named_types(dialect, metadata)
    sequences = list(_sequences(metadata))
    for schema in _schemas([*managed_tables(metadata), *named, *sequences]):
        name = dialect.identifier_preparer.quote_schema(schema)
        yield Requirement("SCHEMA", name, f"CREATE SCHEMA IF NOT EXISTS {name}")
    for type_ in types:
        yield from _extension(type_, dialect)
    for type_ in named:
        yield _named_type(type_, dialect)
    for sequence in sequences:
        name = dialect.identifier_preparer.format_sequence(sequence)
        yield Requirement("SEQUENCE", name, _compile(CreateSequence(sequence), dialect))


def find_named_types(dialect: Dialect, metadata: MetaData) -> list[ENUM | DOMAIN]:
    """Return the types of PostgreSQL that columns use, unless `create_type=False` says that somebody else cares."""
    types = _find_types(dialect, metadata)
    return [type_ for type_ in types if isinstance(type_, (ENUM, DOMAIN)) and type_.create_type]


def _find_types(dialect: Dialect, metadata: MetaData) -> list[TypeEngine[Any]]:
    columns = [column for table in managed_tables(metadata) for column in table.columns]
    return [part for column in columns for part in _parts(column.type, dialect)]


def find_schemas(metadata: MetaData) -> set[str]:
    return set(_schemas(managed_tables(metadata)))


def managed_tables(metadata: MetaData) -> list[Table]:
    """Return the tables without `info={"autogenerate": False}`."""
    return [table for table in metadata.tables.values() if table.info.get("autogenerate", True)]


def _schemas(items: Iterable[Any]) -> Iterator[str]:
    return (item.schema for item in items if item.schema)


def _sequences(metadata: MetaData) -> Iterator[Sequence]:
    for schema in (None, *sorted(find_schemas(metadata))):
        for sequence in sorted(metadata.get_schema_objects(Sequence, schema=schema), key=lambda each: each.name):
            if not sequence.optional:
                yield sequence


def _parts(type_: TypeEngine[Any], dialect: Dialect) -> Iterator[TypeEngine[Any]]:
    """Return the types of PostgreSQL of which this type consists, the inner ones first."""
    type_ = getattr(type_, "_variant_mapping", {}).get(dialect.name, type_)
    match type_:
        case ARRAY(item_type=inner) | DOMAIN(data_type=inner):
            yield from _parts(inner, dialect)
            yield type_
        case TypeDecorator():
            yield from _parts(type_.load_dialect_impl(dialect), dialect)
        case Enum(native_enum=True):
            yield type_ if isinstance(type_, ENUM) else type_.dialect_impl(dialect)
        case _:
            yield type_


def _extension(type_: TypeEngine[Any], dialect: Dialect) -> Iterator[Requirement]:
    if isinstance(type_, (ENUM, DOMAIN)):
        return
    found = re.match(r"\w+", dialect.type_compiler_instance.process(type_).lower())
    if found and found[0] in EXTENSIONS:
        name = EXTENSIONS[found[0]]
        yield Requirement("EXTENSION", name, f"CREATE EXTENSION IF NOT EXISTS {name}")


def _named_type(type_: ENUM | DOMAIN, dialect: Dialect) -> Requirement:
    name = dialect.type_compiler_instance.process(type_)
    if isinstance(type_, DOMAIN):
        return Requirement("DOMAIN", name, _compile(CreateDomainType(type_), dialect))
    return Requirement("TYPE", name, _compile(CreateEnumType(type_), dialect))


def _compile(element: ExecutableDDLElement, dialect: Dialect) -> str:
    return str(element.compile(dialect=dialect)).strip()
