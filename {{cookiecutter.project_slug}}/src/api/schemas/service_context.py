from datetime import datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, BeforeValidator, Field

from src.api.schemas.body import BodySchema, Text
from src.domain.service_context import MESSAGE_LENGTH


class ServiceContextSchema(BaseModel):
    maintenance: bool
    message: str | None
    expected_end: datetime | None
    since: datetime | None
    version: int
    stale: bool


def _written_as_text(value: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
    if value is not None and not isinstance(value, str):
        msg = "must be a time with an offset, such as 2026-01-31T22:00:00Z"
        raise ValueError(msg)
    return value


class ServiceContextUpdateSchema(BodySchema):
    """A field that is absent stays as it is, null clears it."""

    maintenance: bool = False
    message: Annotated[Text, Field(max_length=MESSAGE_LENGTH)] | None = None
    expected_end: Annotated[AwareDatetime | None, Field(strict=False), BeforeValidator(_written_as_text)] = None
