"""The table of todos as an ORM model, and an engine with as many connections as those of our service."""

import os
from datetime import datetime

from sqlalchemy import DateTime, String, Text, func, text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    type_annotation_map = {datetime: DateTime(timezone=True)}


class Todo(Base):
    __tablename__ = "todo"
    __mapper_args__ = {"eager_defaults": True}

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(255))
    description: Mapped[str | None] = mapped_column(Text)
    completed: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime | None] = mapped_column(onupdate=func.now())


def create_sessions() -> async_sessionmaker[AsyncSession]:
    """Return a factory of sessions whose objects can be read after a commit."""
    engine = create_async_engine(os.environ["SQLALCHEMY_DATABASE_URI"], pool_size=10, max_overflow=0)
    return async_sessionmaker(engine, expire_on_commit=False)
