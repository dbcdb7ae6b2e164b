from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field

from src.api.schemas.body import BodySchema, Moment, Text
from src.domain.service_context import MESSAGE_LENGTH


class ServiceContextSchema(BaseModel):
    maintenance: bool
    message: str | None
    expected_end: datetime | None
    since: datetime | None
    version: int
    stale: bool


class ServiceContextUpdateSchema(BodySchema):
    """A field that is absent stays as it is, null clears it; how long it may be is a rule of the domain."""

    maintenance: bool = False
    message: Annotated[Text, Field(json_schema_extra={"maxLength": MESSAGE_LENGTH})] | None = None
    expected_end: Moment | None = None
