"""The use cases of the maintenance window: read it and switch it, for this process and all others."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

from chassis.domain.exceptions import UnavailableError, ValidationError
from chassis.domain.ports import Params
from chassis.maintenance.service_context import ServiceContext, ServiceContextStore, values_to_store
from chassis.maintenance.state import MaintenanceState

READ_PATIENCE = 1.0  # seconds that a reader waits for the database


def _now() -> datetime:
    return datetime.now(UTC)


class ServiceContextService:
    def __init__(
        self, store: ServiceContextStore, state: MaintenanceState, clock: Callable[[], datetime] = _now
    ) -> None:
        self._store = store
        self._state = state
        self._clock = clock

    async def get(self) -> ServiceContext:
        """Return the stored window; if the database does not answer, return the one in memory, marked as stale."""
        try:
            async with asyncio.timeout(READ_PATIENCE):
                return await self._store.read()
        except (UnavailableError, TimeoutError):
            self._state.mark_stale()
            return self._state.context

    async def change(self, data: Params, *, by: str, force: bool = False) -> ServiceContext:
        """Set fields: `maintenance`, `message` and `expected_end`. The gate of this process follows at once.

        With `force=True` the version grows even if no field changes.

        Raises:
            ValidationError: see `values_to_store`; or a message comes without an active window.
            UnavailableError: the database cannot be reached, and nothing has changed.
        """
        context = await self._store.write(values_to_store(data, at=self._clock()), by=by, force=force)
        await self._state.apply_change(context)
        if not context.maintenance and any(value is not None for key, value in data.items() if key != "maintenance"):
            msg = "maintenance is off: switch it on with the same request"
            raise ValidationError({key: msg for key in data if key != "maintenance"})
        return context
