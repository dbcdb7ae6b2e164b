"""Tables with every kind of key, constraint and index."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import (
    CheckConstraint,
    Computed,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    PrimaryKeyConstraint,
    Sequence,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.orm import Mapped, mapped_column

from chassis.tests.migrations.models import defaults  # noqa: F401 - belongs to the same metadata
from chassis.tests.migrations.models.types import Color, Email, Kind


class Tenant(Kind):
    """Names that have to be quoted, comments, and a key that PostgreSQL counts by itself."""

    __tablename__ = "Tenant of the Group"
    __table_args__ = ({"comment": 'Who pays; it\'s "quoted", has 100% and :colons'},)

    id: Mapped[int] = mapped_column("Id", Identity(), primary_key=True)
    name: Mapped[str] = mapped_column("Full Name", comment="'as' it is printed \N{EN DASH} everywhere", index=True)
    order: Mapped[int] = mapped_column("order", unique=True)
    since: Mapped[datetime] = mapped_column(server_default=func.now())
    color: Mapped[Color]
    lifetime: Mapped[timedelta | None]
    born_on: Mapped[date | None] = mapped_column(CheckConstraint("born_on > '1900-01-01'"), comment="")
    key: Mapped[UUID | None]


class Member(Kind):
    """Composite keys, and constraints whose first columns are the same."""

    __tablename__ = "member"
    __table_args__ = (
        PrimaryKeyConstraint("tenant_id", "number"),
        UniqueConstraint("tenant_id", "email"),
        UniqueConstraint("tenant_id", "nickname", postgresql_nulls_not_distinct=True),
        UniqueConstraint("tenant_id", "rank", deferrable=True, initially="DEFERRED"),
        UniqueConstraint("rank", postgresql_include=["nickname"]),
        ForeignKeyConstraint(
            ["tenant_id", "boss"],
            ["member.tenant_id", "member.number"],
            ondelete="CASCADE",
            onupdate="RESTRICT",
            deferrable=True,
            initially="DEFERRED",
        ),
        ForeignKeyConstraint(["tenant_id", "deputy"], ["member.tenant_id", "member.number"], match="FULL"),
        CheckConstraint("rank > 0"),
        CheckConstraint("rank < 100"),
        CheckConstraint("email LIKE '%@%' AND email != ' \\:x'"),
        CheckConstraint("nickname IN ('a', 'b')", name="nickname"),
        Index(None, "tenant_id", "nickname"),
        Index(None, "nickname", "tenant_id", unique=True, postgresql_where=text("rank IN (1, 2)")),
    )

    tenant_id: Mapped[int] = mapped_column(ForeignKey(Tenant.id))
    number: Mapped[int] = mapped_column(
        Identity(always=True, start=42, increment=2, maxvalue=10**6, cycle=True, cache=5)
    )
    email: Mapped[str] = mapped_column(Email)
    nickname: Mapped[str | None]
    rank: Mapped[int]
    boss: Mapped[int | None]
    deputy: Mapped[int | None]


class Product(Kind):
    """Computed columns, and all that an index can be made of."""

    __tablename__ = "product"

    id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(80))
    price: Mapped[Decimal] = mapped_column(sa.Numeric(10, 2))
    quantity: Mapped[int] = mapped_column(sa.SmallInteger, default=0)
    state: Mapped[str] = mapped_column(sa.Text)
    tags: Mapped[list[str]] = mapped_column(pg.ARRAY(sa.Text))
    data: Mapped[dict[str, Any]] = mapped_column(pg.JSONB, server_default=text("'{}'::jsonb"))
    total: Mapped[Decimal] = mapped_column(Computed("price * quantity", persisted=True))
    label: Mapped[str] = mapped_column(Computed("lower(name) || ' \\:a' || '::b'", persisted=True))
    is_sold: Mapped[bool] = mapped_column(Computed("state IN ('sold', 'paid')", persisted=True))
    words: Mapped[str] = mapped_column(pg.TSVECTOR, Computed("to_tsvector('english', name)", persisted=True))

    __table_args__ = (
        Index(None, func.lower(name)),
        Index(None, name),
        Index(None, func.lower(name), state),
        Index(None, func.upper(name), postgresql_where=quantity > 7),
        Index("ix_text", text("lower(state)")),
        Index("ix_text_with_class", text("name varchar_pattern_ops")),
        Index("ix_operators", name, postgresql_ops={"name": "text_pattern_ops"}),
        Index("ix_labelled", func.upper(name).label("upper_name"), postgresql_ops={"upper_name": "text_pattern_ops"}),
        Index("ix_descending", price.desc(), quantity.asc().nulls_first()),
        Index("ix_unique", func.lower(state), unique=True, postgresql_where=quantity > 0),
        Index("ix_partial", price, postgresql_where=text("state = ' \\:open' AND price > 1.5")),
        Index("ix_include", price, postgresql_include=["name", "quantity"]),
        Index("ix_distinct", state, quantity, unique=True, postgresql_nulls_not_distinct=True),
        Index("ix_gin", data, postgresql_using="gin", postgresql_ops={"data": "jsonb_path_ops"}),
        Index("ix_gin_tags", tags, postgresql_using="gin", postgresql_with={"fastupdate": "off"}),
        Index("ix_words", words, postgresql_using="gin"),
        Index("ix_brin", "id", postgresql_using="brin", postgresql_with={"pages_per_range": 32}),
        Index("ix_hash", state, postgresql_using="hash"),
        Index("ix_json", data["a"].astext),
        Index("ix_json_cast", sa.cast(data["n"].astext, sa.Integer)),
        Index("ix_collated", sa.collate(name, "C")),
        Index("ix_concurrent", quantity, postgresql_concurrently=True),
        Index("Index With Spaces", state),
    )


class Booking(Kind):
    """Exclusion constraints."""

    __tablename__ = "booking"
    __table_args__ = (
        pg.ExcludeConstraint(("during", "&&")),
        pg.ExcludeConstraint(
            (func.tstzrange(sa.column("begins"), sa.column("ends")), "&&"),
            name="not_at_once",
            where=text("state != ' \\:cancelled'"),
            deferrable=True,
            initially="DEFERRED",
        ),
        pg.ExcludeConstraint((sa.literal_column("lower(state)"), "="), using="btree", ops={"state": "text_ops"}),
        pg.ExcludeConstraint(("network", "&&"), name="network", using="gist", ops={"network": "inet_ops"}),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    during: Mapped[Any] = mapped_column(pg.TSTZRANGE)
    network: Mapped[Any] = mapped_column(pg.INET)
    begins: Mapped[datetime]
    ends: Mapped[datetime]
    state: Mapped[str]


class Invoice(Kind):
    """A table, a type and a sequence in a schema of their own."""

    __tablename__ = "invoice"
    __table_args__ = (CheckConstraint("amount >= 0", name="amount"), {"schema": "billing"})

    id: Mapped[int] = mapped_column(primary_key=True)
    amount: Mapped[Decimal] = mapped_column(index=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey(Tenant.id), unique=True)
    state: Mapped[str] = mapped_column(pg.ENUM("open", "paid", name="state", schema="billing"), server_default="open")
    number: Mapped[int] = mapped_column(Sequence("number", schema="billing"))


class Payment(Kind):
    """A reference into a schema, and from one schema into another."""

    __tablename__ = "payment"
    __table_args__ = ({"schema": "Payments 2"},)

    id: Mapped[int] = mapped_column(primary_key=True)
    invoice_id: Mapped[int] = mapped_column(ForeignKey("billing.invoice.id", ondelete="SET NULL"))
    member: Mapped[int]


class Event(Kind):
    """A partitioned table."""

    __tablename__ = "event"
    __table_args__ = ({"postgresql_partition_by": "RANGE (happened_at)"},)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    happened_at: Mapped[datetime] = mapped_column(primary_key=True)
    state: Mapped[str] = mapped_column(index=True)


class Reading(Kind):
    """Storage parameters, and a table that is not in the write-ahead log."""

    __tablename__ = "reading"
    __table_args__ = ({"postgresql_with": {"fillfactor": 70}, "prefixes": ["UNLOGGED"], "info": {"owner": object()}},)

    id: Mapped[int] = mapped_column(sa.SmallInteger, primary_key=True, autoincrement=False)
    body: Mapped[Color] = mapped_column(sa.Enum(Color, native_enum=False, create_constraint=True))
    wheels: Mapped[Color] = mapped_column(sa.Enum(Color, native_enum=False, create_constraint=True))


class Department(Kind):
    """Two tables that refer to each other."""

    __tablename__ = "department"

    id: Mapped[int] = mapped_column(primary_key=True)
    head_id: Mapped[int | None] = mapped_column(ForeignKey("employee.id", use_alter=True))


class Employee(Kind):
    __tablename__ = "employee"

    id: Mapped[int] = mapped_column(primary_key=True)
    department_id: Mapped[int] = mapped_column(ForeignKey("department.id"))
    boss_id: Mapped[int | None] = mapped_column(ForeignKey("employee.id"))


keyed = sa.Table(
    "keyed",
    Kind.metadata,
    sa.Column("order_name", sa.Text, key="name"),
    sa.Column("order_rank", sa.Integer, key="rank"),
    UniqueConstraint("rank", "name"),
    CheckConstraint("order_rank > 0"),
    CheckConstraint("order_rank > 1", name="elsewhere").ddl_if(dialect="sqlite"),
    Index("ix_keyed", "name", postgresql_ops={"name": "text_pattern_ops"}, postgresql_include=["rank"]),
    Index("ix_elsewhere", "rank").ddl_if(dialect="sqlite"),
)
