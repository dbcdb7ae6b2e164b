"""A todo, the example entity: replace it with what your service is about."""

from dataclasses import dataclass
from datetime import datetime

from chassis.domain.exceptions import ValidationError

TITLE_LENGTH = 255
DESCRIPTION_LENGTH = 10_000


@dataclass(kw_only=True)
class Todo:
    id: int
    title: str
    description: str | None
    completed: bool
    created_at: datetime
    updated_at: datetime | None


def require_title(title: str) -> None:
    """Refuse a title without a visible character.

    Raises:
        ValidationError: the title is blank.
    """
    if not title.strip():
        raise ValidationError({"title": "must not be blank"})
