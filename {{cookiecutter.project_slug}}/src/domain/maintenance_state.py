"""What this process knows of the maintenance window, kept true by a watcher and by changes made here."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from src.domain.service_context import ServiceContext


class MaintenanceState:
    """Open until it is watched; from then on closed until the first answer, unless `open_when_unknown`."""

    def __init__(self, before_opening: Callable[[], Awaitable[None]], *, open_when_unknown: bool = False) -> None:
        """`before_opening` is awaited whenever a closed service is about to open."""
        self._before_opening = before_opening
        self._open_when_unknown = open_when_unknown
        self._context: ServiceContext | None = None
        self._watched = False
        self._stale = True
        self._changes = 0
        self._applying = asyncio.Lock()
        self._observers: list[Callable[[], None]] = []

    @property
    def known(self) -> bool:
        return self._context is not None

    @property
    def closed(self) -> bool:
        if self._context is None:
            return self._watched and not self._open_when_unknown
        return self._context.maintenance

    @property
    def context(self) -> ServiceContext:
        return replace(self._context or ServiceContext(), stale=self._stale)

    @property
    def changes(self) -> int:
        """Counts the changes made in this process: take it before a read, hand it to `confirm` after."""
        return self._changes

    def observe(self, observer: Callable[[], None]) -> None:
        """Calls `observer` after each change, before anything else runs."""
        self._observers.append(observer)

    def watch(self) -> None:
        self._watched = True
        self._notify()

    def mark_stale(self) -> None:
        self._stale = True

    async def change(self, context: ServiceContext) -> None:
        """Applies what this process has just written."""
        self._changes += 1
        async with self._applying:
            if self._context is None or context.version >= self._context.version:
                await self._apply(context)

    async def confirm(self, context: ServiceContext, *, changes: int) -> bool:
        """Applies what the database said, unless this process has changed it since it was asked: then False."""
        async with self._applying:
            if changes != self._changes:
                return False
            await self._apply(context)
            return True

    async def _apply(self, context: ServiceContext) -> None:
        if self.closed and not context.maintenance:
            await self._before_opening()
        self._context, self._stale = context, False
        self._notify()

    def _notify(self) -> None:
        for observer in self._observers:
            observer()
