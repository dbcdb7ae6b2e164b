"""The maintenance window as this process knows it; the gate reads it for each request, without I/O."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from chassis.domain.ports import MaintenanceWindow
from chassis.maintenance.service_context import ServiceContext


class MaintenanceState(MaintenanceWindow):
    """The gate is open before `start_watching`, for instance in a command.

    From then on it is closed until the database has answered, unless `open_when_unknown`;
    afterwards it is closed while the window is active.
    """

    def __init__(self, before_opening: Callable[[], Awaitable[None]], *, open_when_unknown: bool = False) -> None:
        """`before_opening` is awaited each time before a closed gate opens."""
        self._before_opening = before_opening
        self._open_when_unknown = open_when_unknown
        self._context: ServiceContext | None = None
        self.is_watched = False
        self._is_stale = True
        self._changes = 0
        self._applying = asyncio.Lock()
        self._observers: list[Callable[[], None]] = []

    @property
    def known(self) -> bool:
        return self._context is not None

    @property
    def active(self) -> bool:
        return self.context.maintenance

    @property
    def gate_closed(self) -> bool:
        return self.active if self.known else self.is_watched and not self._open_when_unknown

    @property
    def context(self) -> ServiceContext:
        return replace(self._context or ServiceContext(), stale=self._is_stale)

    @property
    def changes(self) -> int:
        """The number of changes made in this process: take it before a read, and pass it to `apply_read`."""
        return self._changes

    def subscribe(self, observer: Callable[[], None]) -> None:
        """Call `observer` after each change, before anything else runs."""
        self._observers.append(observer)

    def start_watching(self) -> None:
        self.is_watched = True
        self._notify()

    def mark_stale(self) -> None:
        self._is_stale = True

    async def apply_change(self, context: ServiceContext) -> None:
        """Apply a change that this process has just written, unless it knows a newer one."""
        self._changes += 1
        async with self._applying:
            if self._context is None or context.version >= self._context.version:
                await self._apply(context)

    async def apply_read(self, context: ServiceContext, *, changes: int) -> bool:
        """Apply the row that was read; return False instead if this process has made a change since the read began."""
        async with self._applying:
            if changes != self._changes:
                return False
            await self._apply(context)
            return True

    async def _apply(self, context: ServiceContext) -> None:
        if self.gate_closed and not context.maintenance:
            await self._before_opening()
        self._context, self._is_stale = context, False
        self._notify()

    def _notify(self) -> None:
        for observer in self._observers:
            observer()
