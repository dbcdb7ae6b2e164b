from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from chassis.domain.exceptions import UnavailableError, ValidationError
from chassis.maintenance.service import ServiceContextService
from chassis.maintenance.service_context import ServiceContext, ServiceContextStore
from chassis.maintenance.state import MaintenanceState

NOW = datetime(2026, 1, 31, tzinfo=UTC)


class FakeServiceContext(ServiceContextStore):
    def __init__(self) -> None:
        self.context = ServiceContext()
        self.available = True

    async def read(self) -> ServiceContext:
        if not self.available:
            msg = "no database"
            raise UnavailableError(msg)
        return self.context

    async def write(self, values: Mapping[str, Any], *, by: str, force: bool = False) -> ServiceContext:
        before = await self.read()
        if before.maintenance or values.get("maintenance"):
            self.context = replace(before, **values, version=before.version + 1)
        return self.context


async def _nothing() -> None: ...


@pytest.fixture(name="state")
def _state() -> MaintenanceState:
    return MaintenanceState(_nothing)


@pytest.fixture(name="store")
def _store() -> FakeServiceContext:
    return FakeServiceContext()


@pytest.fixture(name="service")
def _service(store: FakeServiceContext, state: MaintenanceState) -> ServiceContextService:
    return ServiceContextService(store, state, clock=lambda: NOW)


async def test_this_process_follows_at_once(service: ServiceContextService, state: MaintenanceState) -> None:
    context = await service.change({"maintenance": True}, by="test")

    assert (context.maintenance, context.since) == (True, NOW)
    assert state.gate_closed


async def test_nothing_changes_without_a_database(
    service: ServiceContextService, store: FakeServiceContext, state: MaintenanceState
) -> None:
    store.available = False

    with pytest.raises(UnavailableError):
        await service.change({"maintenance": True}, by="test")

    assert not state.gate_closed


async def test_is_read_from_memory_without_a_database(
    service: ServiceContextService, store: FakeServiceContext
) -> None:
    await service.change({"maintenance": True}, by="test")
    store.available = False

    context = await service.get()

    assert (context.maintenance, context.stale) == (True, True)


async def test_there_is_nothing_to_say_about_no_window(service: ServiceContextService) -> None:
    with pytest.raises(ValidationError, match="maintenance is off"):
        await service.change({"message": "a"}, by="test")
