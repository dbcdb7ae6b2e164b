"""Two versions of a table for each kind of change of a model."""

import enum
from collections.abc import Callable
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Column,
    Computed,
    DateTime,
    Enum,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    Sequence,
    String,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, DOMAIN, INET, JSONB, TIMESTAMP, ExcludeConstraint
from sqlalchemy.schema import SchemaItem

from chassis.persistence.model import NAMING_CONVENTION

Version = Callable[[], list[SchemaItem]]


class Size(enum.Enum):
    SMALL = 1
    LARGE = 2


class MoreSizes(enum.Enum):
    SMALL = 1
    LARGE = 2
    EXTRA_LARGE = 3


def _size(type_: type[enum.Enum], **options: Any) -> Column[Any]:
    return Column("size", Enum(type_, native_enum=False, **options))


def _key(type_: type[Integer], *options: SchemaItem) -> Column[Any]:
    return Column("key", type_, *options, primary_key=True)


CHANGES: dict[str, tuple[Version, Version]] = {
    "default": (lambda: [Column("a", Text, server_default="1")], lambda: [Column("a", Text, server_default="2")]),
    "default_json": (
        lambda: [Column("a", JSON, server_default="{}")],
        lambda: [Column("a", JSON, server_default="[]")],
    ),
    "default_removed": (lambda: [Column("a", JSONB, server_default="{}")], lambda: [Column("a", JSONB)]),
    "length": (lambda: [Column("a", String(10))], lambda: [Column("a", String(20))]),
    "type": (lambda: [Column("a", Integer)], lambda: [Column("a", BigInteger)]),
    "type_of_items": (lambda: [Column("a", ARRAY(String(10)))], lambda: [Column("a", ARRAY(String(20)))]),
    "type_of_key": (lambda: [_key(Integer)], lambda: [_key(BigInteger)]),
    "timezone": (lambda: [Column("a", DateTime)], lambda: [Column("a", DateTime(timezone=True))]),
    "precision": (lambda: [Column("a", TIMESTAMP(precision=3))], lambda: [Column("a", TIMESTAMP(precision=0))]),
    "collated": (lambda: [Column("a", Text)], lambda: [Column("a", Text(collation="C"))]),
    "nullable": (lambda: [Column("a", Text)], lambda: [Column("a", Text, nullable=False)]),
    "comment": (lambda: [Column("a", Text, comment="x")], lambda: [Column("a", Text, comment="it's")]),
    "identity": (
        lambda: [Column("a", Integer, Identity(start=5))],
        lambda: [Column("a", Integer, Identity(always=True, increment=2, cycle=True))],
    ),
    "identity_removed": (
        lambda: [Column("a", Integer, Identity(start=5))],
        lambda: [Column("a", Integer, nullable=False)],
    ),
    "identity_to_null": (lambda: [Column("a", Integer, Identity())], lambda: [Column("a", Integer)]),
    "identity_to_default": (
        lambda: [Column("a", Integer, Identity())],
        lambda: [Column("a", Integer, server_default="3", nullable=False)],
    ),
    "default_to_identity": (
        lambda: [Column("a", Integer, server_default="3")],
        lambda: [Column("a", Integer, Identity(start=5))],
    ),
    "serial_to_identity": (lambda: [_key(Integer)], lambda: [_key(Integer, Identity())]),
    "computed": (
        lambda: [Column("a", Integer), Column("b", Integer, Computed("a + 1", persisted=True))],
        lambda: [Column("a", Integer), Column("b", Integer, Computed("a + 2", persisted=True))],
    ),
    "computed_to_plain": (
        lambda: [Column("a", Integer), Column("b", Integer, Computed("a + 1", persisted=True))],
        lambda: [Column("a", Integer), Column("b", Integer)],
    ),
    "computed_to_default": (
        lambda: [Column("a", Integer), Column("b", Integer, Computed("a + 1", persisted=True))],
        lambda: [Column("a", Integer), Column("b", Integer, server_default="1")],
    ),
    "computed_to_identity": (
        lambda: [Column("a", Integer), Column("b", Integer, Computed("a + 1", persisted=True))],
        lambda: [Column("a", Integer), Column("b", Integer, Identity())],
    ),
    "plain_to_computed": (
        lambda: [Column("a", Integer), Column("b", Integer)],
        lambda: [Column("a", Integer), Column("b", Integer, Computed("a + 1", persisted=True), nullable=False)],
    ),
    "column": (
        list,
        lambda: [Column("a", Integer, CheckConstraint("a > 1"), server_default="2", unique=True, comment="c")],
    ),
    "check": (lambda: [Column("a", Integer)], lambda: [Column("a", Integer), CheckConstraint("a > 1")]),
    "check_changed": (
        lambda: [Column("a", Integer), CheckConstraint("a > 1", name="range")],
        lambda: [Column("a", Integer), CheckConstraint("a > 2", name="range")],
    ),
    "check_of_texts": (
        lambda: [Column("a", String(9)), CheckConstraint("a != 'z'", name="range")],
        lambda: [Column("a", String(9)), CheckConstraint("a IN ('x', 'y')", name="range")],
    ),
    "enum_as_text": (lambda: [_size(Size)], lambda: [_size(MoreSizes)]),
    "enum_as_checked_text": (
        lambda: [_size(Size, create_constraint=True)],
        lambda: [_size(MoreSizes, create_constraint=True)],
    ),
    "enum_gets_checked": (lambda: [_size(Size)], lambda: [_size(Size, create_constraint=True)]),
    "enum_grows": (
        lambda: [Column("a", Enum("b", "d", name="enum_grows_type"), server_default="d")],
        lambda: [Column("a", Enum("a", "b", "c", "d", "it's e", name="enum_grows_type"), server_default="d")],
    ),
    "enum_shrinks": (
        lambda: [
            Column("a", Enum("a", "b", name="enum_shrinks_type"), server_default="b"),
            Column("c", ARRAY(Enum("a", "b", name="enum_shrinks_type"))),
        ],
        lambda: [
            Column("a", Enum("b", "c", name="enum_shrinks_type"), server_default="b"),
            Column("c", ARRAY(Enum("b", "c", name="enum_shrinks_type"))),
        ],
    ),
    "new_enum": (list, lambda: [Column("a", Enum("a", "b", name="appearing"), server_default="a")]),
    "new_domain": (list, lambda: [Column("a", DOMAIN("filled", Text, check="VALUE <> ''"))]),
    "new_sequence": (list, lambda: [Column("a", Integer, Sequence("counter"))]),
    "exclusion": (
        lambda: [Column("a", INET)],
        lambda: [Column("a", INET), ExcludeConstraint(("a", "&&"), ops={"a": "inet_ops"})],
    ),
    "key": (
        lambda: [_key(Integer), Column("b", Integer, nullable=False)],
        lambda: [_key(Integer), Column("b", Integer, primary_key=True)],
    ),
    "unique_deferrable": (
        lambda: [Column("a", Integer), UniqueConstraint("a")],
        lambda: [Column("a", Integer), UniqueConstraint("a", deferrable=True)],
    ),
    "unique_nulls": (
        lambda: [Column("a", Integer), UniqueConstraint("a")],
        lambda: [Column("a", Integer), UniqueConstraint("a", postgresql_nulls_not_distinct=True)],
    ),
    "unique_include": (
        lambda: [Column("a", Integer), Column("b", Integer), UniqueConstraint("a")],
        lambda: [Column("a", Integer), Column("b", Integer), UniqueConstraint("a", postgresql_include=["b"])],
    ),
    "reference": (
        lambda: [Column("a", Integer, ForeignKey("referred.id"))],
        lambda: [Column("a", Integer, ForeignKey("referred.id", ondelete="CASCADE", deferrable=True))],
    ),
    "reference_to_dropped": (
        lambda: [Column("a", Integer, ForeignKey("dropped.id"))],
        lambda: [Column("b", Integer, ForeignKey("referred.id"))],
    ),
    "index": (lambda: [Column("a", Integer)], lambda: [Column("a", Integer, index=True)]),
    "index_where": (
        lambda: [Column("a", Integer), Index(None, "a", postgresql_where=text("a > 1"))],
        lambda: [Column("a", Integer), Index(None, "a", postgresql_where=text("a > 2"))],
    ),
    "index_using": (
        lambda: [Column("a", Integer), Index("ix_using", "a")],
        lambda: [Column("a", Integer), Index("ix_using", "a", postgresql_using="hash")],
    ),
    "index_operators": (
        lambda: [Column("a", Text), Index("ix_operators", "a")],
        lambda: [Column("a", Text), Index("ix_operators", "a", postgresql_ops={"a": "text_pattern_ops"})],
    ),
    "index_include": (
        lambda: [Column("a", Text), Column("b", Text), Index("ix_include", "a")],
        lambda: [Column("a", Text), Column("b", Text), Index("ix_include", "a", postgresql_include=["b"])],
    ),
    "index_expression": (
        lambda: [Column("a", Text), Index("ix_expression", text("lower(a)"))],
        lambda: [Column("a", Text), Index("ix_expression", text("upper(a)"))],
    ),
    "index_collated": (
        lambda: [Column("a", Text), Index("ix_collated", text('a COLLATE "C"'))],
        lambda: [Column("a", Text), Index("ix_collated", "a")],
    ),
    "index_order": (
        lambda: [Column("a", Text), Index("ix_order", text("a"))],
        lambda: [Column("a", Text), Index("ix_order", text("a DESC"))],
    ),
    "index_unique": (
        lambda: [Column("a", Text), Index("ix_unique", "a")],
        lambda: [Column("a", Text), Index("ix_unique", "a", unique=True)],
    ),
    "index_storage": (
        lambda: [Column("a", Text), Index("ix_storage", "a")],
        lambda: [Column("a", Text), Index("ix_storage", "a", postgresql_with={"fillfactor": 50})],
    ),
}


def before_changes() -> MetaData:
    metadata = _create_tables([before for before, _ in CHANGES.values()])
    dropped = Table("dropped", metadata, Column("id", Integer, primary_key=True), Column("name", Text))
    dropped.append_column(Column("computed", Text, Computed(func.lower(dropped.c.name), persisted=True)))
    dropped.append_column(Column("cycle_id", Integer, ForeignKey("dropped_too.id", use_alter=True)))
    dropped.append_constraint(Index("ix_dropped", func.lower(dropped.c.name), unique=True))
    Table("dropped_too", metadata, Column("id", Integer, ForeignKey(dropped.c.id), primary_key=True))
    return metadata


def after_changes() -> MetaData:
    metadata = _create_tables([after for _, after in CHANGES.values()])
    Table("new", metadata, Column("id", Integer, primary_key=True), Column("name", Text, index=True), schema="new")
    return metadata


def _create_tables(versions: list[Version]) -> MetaData:
    metadata = MetaData(naming_convention=NAMING_CONVENTION)
    Table("referred", metadata, Column("id", Integer, primary_key=True))
    for name, version in zip(CHANGES, versions, strict=True):
        table = Table(name, metadata, *version())
        if not table.primary_key.columns:
            table.append_column(Column("id", Integer, primary_key=True))
    return metadata
