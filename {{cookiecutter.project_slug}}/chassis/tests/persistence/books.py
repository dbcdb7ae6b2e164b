"""A model with fields of many types, and repositories of it: one on PostgreSQL and one in memory."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, Numeric, SmallInteger, String, text
from sqlalchemy.orm import Mapped, mapped_column

from chassis.persistence.repository import Repository
from chassis.tests.persistence.samples import Sample


class State(enum.Enum):
    DRAFT = "draft"
    PRINTED = "printed"


class BookModel(Sample):
    __tablename__ = "sample_library_books"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column("book_title", String(50))
    pages: Mapped[int | None] = mapped_column(SmallInteger)
    price: Mapped[Decimal | None] = mapped_column(Numeric(8, 2))
    published: Mapped[date | None]
    state: Mapped[State] = mapped_column(default=State.DRAFT)
    sold: Mapped[bool] = mapped_column(server_default=text("false"))
    added_at: Mapped[datetime] = mapped_column(server_default=text("'2026-01-31T00:00:00Z'"))
    shelf: Mapped[UUID | None]
    tags: Mapped[list[str] | None] = mapped_column(JSON)


@dataclass(kw_only=True)
class Book:
    id: int
    title: str
    pages: int | None
    price: Decimal | None
    published: date | None
    state: State
    sold: bool
    added_at: datetime
    shelf: UUID | None
    tags: list[str] | None


DEFAULTS: Mapping[str, Any] = {
    "pages": None,
    "price": None,
    "published": None,
    "state": State.DRAFT,
    "sold": False,
    "added_at": datetime(2026, 1, 31, tzinfo=UTC),
    "shelf": None,
    "tags": None,
}


class BookRepository(Repository[Book]):
    base_class = BookModel
    entity_class = Book


class DrawnKey(Sample):
    """The database makes its keys."""

    __tablename__ = "sample_drawn_keys"
    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("gen_random_uuid()"))
    name: Mapped[str]


class TextKey(Sample):
    __tablename__ = "sample_text_keys"
    code: Mapped[str] = mapped_column(String(20), primary_key=True)
    rank: Mapped[int | None]


class DrawnKeyRepository(Repository):
    base_class = DrawnKey


class TextKeyRepository(Repository):
    base_class = TextKey
