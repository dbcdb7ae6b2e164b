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


class FakeServiceContextStore(ServiceContextStore):
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


async def _do_nothing() -> None: ...


@pytest.fixture(name="state")
def _state() -> MaintenanceState:
    return MaintenanceState(_do_nothing)


@pytest.fixture(name="store")
def _store() -> FakeServiceContextStore:
    return FakeServiceContextStore()


@pytest.fixture(name="service")
def _service(store: FakeServiceContextStore, state: MaintenanceState) -> ServiceContextService:
    return ServiceContextService(store, state, clock=lambda: NOW)


async def test_closes_the_gate_of_this_process_at_once(service: ServiceContextService, state: MaintenanceState) -> None:
    context = await service.change({"maintenance": True}, by="test")

    assert (context.maintenance, context.since) == (True, NOW)
    assert state.gate_closed


async def test_changes_nothing_without_a_database(
    service: ServiceContextService, store: FakeServiceContextStore, state: MaintenanceState
) -> None:
    store.available = False

    with pytest.raises(UnavailableError):
        await service.change({"maintenance": True}, by="test")

    assert not state.gate_closed


async def test_returns_the_known_state_as_stale_without_a_database(
    service: ServiceContextService, store: FakeServiceContextStore
) -> None:
    await service.change({"maintenance": True}, by="test")
    store.available = False

    context = await service.get()

    assert (context.maintenance, context.stale) == (True, True)


async def test_refuses_a_message_without_an_active_window(service: ServiceContextService) -> None:
    with pytest.raises(ValidationError, match="maintenance is off"):
        await service.change({"message": "a"}, by="test")
