from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field

from src.api.schemas.body import BodySchema, Text
from src.api.schemas.page import PageQuery
from src.domain.todo import TITLE_LENGTH

Title = Annotated[Text, Field(min_length=1, max_length=TITLE_LENGTH)]


class TodoSchema(BaseModel):
    id: int
    title: str
    description: str | None
    completed: bool
    created_at: datetime
    updated_at: datetime


class TodoCreateSchema(BodySchema):
    title: Title
    description: Text | None = None
    completed: bool = False


class TodoUpdateSchema(BodySchema):
    """A field that is absent stays as it is."""

    title: Title = Field(default="")
    description: Text | None = None
    completed: bool = False


class TodoQuery(PageQuery):
    title: Text = Field(default="", description="Only todos with exactly this title.")
