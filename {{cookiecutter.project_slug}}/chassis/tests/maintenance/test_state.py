import asyncio

import pytest

from chassis.maintenance.service_context import ServiceContext
from chassis.maintenance.state import MaintenanceState

INACTIVE = ServiceContext(version=1)
ACTIVE = ServiceContext(maintenance=True, version=2)


class Recorder:
    """Records the events of a state in order."""

    def __init__(self, *, open_when_unknown: bool = False) -> None:
        self.events: list[str] = []
        self.state = MaintenanceState(self._before_opening, open_when_unknown=open_when_unknown)
        self.state.subscribe(lambda: self.events.append("gate closed" if self.state.gate_closed else "gate open"))

    async def _before_opening(self) -> None:
        await asyncio.sleep(0)
        self.events.append("connections dropped")


@pytest.fixture(name="recorder")
def _recorder() -> Recorder:
    return Recorder()


def test_the_gate_is_open_until_the_state_is_watched(recorder: Recorder) -> None:
    assert not recorder.state.gate_closed

    recorder.state.start_watching()

    assert recorder.events == ["gate closed"]
    assert not recorder.state.known


def test_keeps_the_gate_open_while_the_state_is_unknown_if_configured() -> None:
    recorder = Recorder(open_when_unknown=True)

    recorder.state.start_watching()

    assert not recorder.state.gate_closed


async def test_drops_connections_before_the_gate_opens(recorder: Recorder) -> None:
    await recorder.state.apply_change(ACTIVE)
    await recorder.state.apply_change(ServiceContext(version=3))

    assert recorder.events == ["gate closed", "connections dropped", "gate open"]


async def test_keeps_connections_if_the_gate_was_open(recorder: Recorder) -> None:
    await recorder.state.apply_change(INACTIVE)
    await recorder.state.apply_change(ServiceContext(version=2))

    assert recorder.events == ["gate open", "gate open"]


async def test_discards_a_read_that_began_before_a_change(recorder: Recorder) -> None:
    changes = recorder.state.changes
    await recorder.state.apply_change(ACTIVE)

    assert not await recorder.state.apply_read(INACTIVE, changes=changes)
    assert recorder.state.gate_closed


async def test_discards_a_read_that_a_change_overtakes(recorder: Recorder) -> None:
    await recorder.state.apply_change(ACTIVE)
    changes = recorder.state.changes

    await asyncio.gather(
        recorder.state.apply_change(ServiceContext(maintenance=True, version=4)),
        recorder.state.apply_read(ServiceContext(version=3), changes=changes),
    )

    assert recorder.state.gate_closed


async def test_ignores_a_change_that_is_older_than_the_known_one(recorder: Recorder) -> None:
    await recorder.state.apply_change(ACTIVE)
    await recorder.state.apply_change(INACTIVE)

    assert recorder.state.gate_closed


async def test_opens_the_gate_if_the_row_disappears(recorder: Recorder) -> None:
    await recorder.state.apply_change(ACTIVE)

    assert await recorder.state.apply_read(ServiceContext(), changes=recorder.state.changes)
    assert not recorder.state.gate_closed


async def test_is_stale_until_a_read_confirms_it(recorder: Recorder) -> None:
    assert recorder.state.context.stale

    await recorder.state.apply_read(INACTIVE, changes=recorder.state.changes)
    assert not recorder.state.context.stale

    recorder.state.mark_stale()
    assert recorder.state.context.stale
