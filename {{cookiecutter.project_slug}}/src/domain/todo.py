"""A todo, the example entity: replace it with what your service is about."""

from dataclasses import dataclass
from datetime import datetime

TITLE_LENGTH = 255


@dataclass(kw_only=True)
class Todo:
    id: int
    title: str
    description: str | None
    completed: bool
    created_at: datetime
    updated_at: datetime
