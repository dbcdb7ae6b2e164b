"""The maintenance window as data: the stored fields, and the effect of a change on all of them."""

from dataclasses import dataclass
from datetime import MAXYEAR, datetime
from typing import Any, Protocol

from chassis.domain.exceptions import ValidationError
from chassis.domain.ports import Params

MESSAGE_LENGTH = 500


@dataclass(frozen=True, kw_only=True)
class ServiceContext:
    """`version` grows by one with each change; `stale` means that the database could not confirm the rest."""

    maintenance: bool = False
    message: str | None = None
    expected_end: datetime | None = None
    since: datetime | None = None
    version: int = 0
    stale: bool = False


class ServiceContextStore(Protocol):
    """The one service context that all processes share.

    Both methods raise `UnavailableError` if the database cannot be reached.
    """

    async def read(self) -> ServiceContext:
        """Return an inactive window with version 0 if nobody has ever changed it."""
        ...

    async def write(self, values: Params, *, by: str, force: bool = False) -> ServiceContext:
        """Set columns and notify all watchers, unless every column has its value already.

        With `force=True` the version grows even if no field changes, so that another operator's command notices.
        """
        ...


def values_to_store(data: Params, *, at: datetime) -> dict[str, Any]:
    """Return the columns that a change sets; an absent field stays as it is, None clears it.

    Activation sets `since` to `at`, and the store keeps the `since` of a window that is active already.
    Deactivation clears all other fields.

    Raises:
        ValidationError: `message` is too long, `expected_end` is not in the future or is in the year 9999,
            or one of them comes with a deactivation.
    """
    if len(data.get("message") or "") > MESSAGE_LENGTH:
        raise ValidationError({"message": f"must have at most {MESSAGE_LENGTH} characters"})
    expected_end = data.get("expected_end")
    if expected_end is not None and expected_end <= at:
        raise ValidationError({"expected_end": "must be in the future"})
    if expected_end is not None and expected_end.year == MAXYEAR:  # out of range in another time zone
        raise ValidationError({"expected_end": f"must be before the year {MAXYEAR}"})
    if data.get("maintenance", True):
        return {**data, "since": at} if "maintenance" in data else dict(data)
    for name in ("message", "expected_end"):
        if data.get(name) is not None:
            raise ValidationError({name: "cannot be set when maintenance is switched off"})
    return {"maintenance": False, "message": None, "expected_end": None, "since": None}
