from datetime import datetime

from sqlalchemy import String, Text, func, text
from sqlalchemy.orm import Mapped, mapped_column

from src.domain.todo import TITLE_LENGTH
from src.infrastructure.models.model_extension import ModelExtension


class TodoModel(ModelExtension):
    __tablename__ = "todo"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(TITLE_LENGTH))
    description: Mapped[str | None] = mapped_column(Text)
    completed: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime | None] = mapped_column(onupdate=func.now())

    def __repr__(self) -> str:
        return self.repr(id=self.id, title=self.title, completed=self.completed)
