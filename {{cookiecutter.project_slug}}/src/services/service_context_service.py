import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from src.domain.exceptions import UnavailableError, ValidationError
from src.domain.maintenance_state import MaintenanceState
from src.domain.ports import ServiceContextPort
from src.domain.service_context import ServiceContext, values_to_store

PATIENCE = 1.0  # seconds that a reader waits for the database


def _now() -> datetime:
    return datetime.now(UTC)


class ServiceContextService:
    """Reads and switches the maintenance window, for this process and all others."""

    def __init__(
        self,
        repository: ServiceContextPort,
        state: MaintenanceState,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        self._repository = repository
        self._state = state
        self._clock = clock

    async def get(self) -> ServiceContext:
        """As the database has it; from memory, marked as stale, when it does not answer."""
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._repository.current()
        except (UnavailableError, TimeoutError):
            self._state.mark_stale()
            return self._state.context

    async def change(self, data: Mapping[str, Any], *, by: str, anew: bool = False) -> ServiceContext:
        """Sets what `data` names of `maintenance`, `message` and `expected_end`; this process follows at once.

        What changes nothing is a change if it is made `anew`: by the version others know that somebody counts on it.

        Raises:
            ValidationError: see `values_to_store`; or there is no window that a message could belong to.
            UnavailableError: the database does not answer; nothing has been changed.
        """
        context = await self._repository.change(values_to_store(data, at=self._clock()), by=by, anew=anew)
        await self._state.change(context)
        if not context.maintenance and any(value is not None for key, value in data.items() if key != "maintenance"):
            msg = "maintenance is off: switch it on with the same request"
            raise ValidationError({key: msg for key in data if key != "maintenance"})
        return context
