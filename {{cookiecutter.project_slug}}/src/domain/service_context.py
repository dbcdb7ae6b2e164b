"""The maintenance window: what it is, and what switching it on or off does to its other fields."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import MAXYEAR, datetime
from typing import Any

from src.domain.exceptions import ValidationError

MESSAGE_LENGTH = 500


@dataclass(frozen=True, kw_only=True)
class ServiceContext:
    """`version` grows by one with each change; `stale` says that the database could not confirm it."""

    maintenance: bool = False
    message: str | None = None
    expected_end: datetime | None = None
    since: datetime | None = None
    version: int = 0
    stale: bool = False


def values_to_store(data: Mapping[str, Any], *, at: datetime) -> dict[str, Any]:
    """The columns that a request to change the window sets; what is absent stays, None clears.

    Switching on begins the window `at` this moment, a window that is on already keeps its `since`;
    switching off clears everything about it.

    Raises:
        ValidationError: `message` is too long, `expected_end` is past or in the year 9999, or there is no window
            that they are about.
    """
    if len(data.get("message") or "") > MESSAGE_LENGTH:
        raise ValidationError({"message": f"must have at most {MESSAGE_LENGTH} characters"})
    expected_end = data.get("expected_end")
    if expected_end is not None and expected_end <= at:
        raise ValidationError({"expected_end": "must be in the future"})
    if expected_end is not None and expected_end.year == MAXYEAR:  # which another time zone may not have
        raise ValidationError({"expected_end": f"must be before the year {MAXYEAR}"})
    if data.get("maintenance", True):
        return {**data, "since": at} if "maintenance" in data else dict(data)
    for name in ("message", "expected_end"):
        if data.get(name) is not None:
            raise ValidationError({name: "cannot be set when maintenance is switched off"})
    return {"maintenance": False, "message": None, "expected_end": None, "since": None}
