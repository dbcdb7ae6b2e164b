from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from src.domain.exceptions import UnavailableError, ValidationError
from src.domain.maintenance_state import MaintenanceState
from src.domain.ports import ServiceContextPort
from src.domain.service_context import ServiceContext
from src.services.service_context_service import ServiceContextService

NOW = datetime(2026, 1, 31, tzinfo=UTC)


class FakeServiceContext(ServiceContextPort):
    def __init__(self) -> None:
        self.context = ServiceContext()
        self.available = True

    async def current(self) -> ServiceContext:
        if not self.available:
            msg = "no database"
            raise UnavailableError(msg)
        return self.context

    async def change(self, values: Mapping[str, Any], *, by: str, anew: bool = False) -> ServiceContext:
        before = await self.current()
        if before.maintenance or values.get("maintenance"):
            self.context = replace(before, **values, version=before.version + 1)
        return self.context


async def _nothing() -> None: ...


@pytest.fixture(name="state")
def _state() -> MaintenanceState:
    return MaintenanceState(_nothing)


@pytest.fixture(name="repository")
def _repository() -> FakeServiceContext:
    return FakeServiceContext()


@pytest.fixture(name="service")
def _service(repository: FakeServiceContext, state: MaintenanceState) -> ServiceContextService:
    return ServiceContextService(repository, state, clock=lambda: NOW)


async def test_this_process_follows_at_once(service: ServiceContextService, state: MaintenanceState) -> None:
    context = await service.change({"maintenance": True}, by="test")

    assert (context.maintenance, context.since) == (True, NOW)
    assert state.closed


async def test_nothing_changes_without_a_database(
    service: ServiceContextService, repository: FakeServiceContext, state: MaintenanceState
) -> None:
    repository.available = False

    with pytest.raises(UnavailableError):
        await service.change({"maintenance": True}, by="test")

    assert not state.closed


async def test_is_read_from_memory_without_a_database(
    service: ServiceContextService, repository: FakeServiceContext
) -> None:
    await service.change({"maintenance": True}, by="test")
    repository.available = False

    context = await service.get()

    assert (context.maintenance, context.stale) == (True, True)


async def test_there_is_nothing_to_say_about_no_window(service: ServiceContextService) -> None:
    with pytest.raises(ValidationError, match="maintenance is off"):
        await service.change({"message": "a"}, by="test")
