import asyncio

import pytest

from chassis.maintenance.service_context import ServiceContext
from chassis.maintenance.state import MaintenanceState

OPEN = ServiceContext(version=1)
CLOSED = ServiceContext(maintenance=True, version=2)


class Recorder:
    """Remembers, in order, what the state did."""

    def __init__(self, *, open_when_unknown: bool = False) -> None:
        self.events: list[str] = []
        self.state = MaintenanceState(self._before_opening, open_when_unknown=open_when_unknown)
        self.state.subscribe(lambda: self.events.append("closed" if self.state.gate_closed else "open"))

    async def _before_opening(self) -> None:
        await asyncio.sleep(0)
        self.events.append("connections dropped")


@pytest.fixture(name="recorder")
def _recorder() -> Recorder:
    return Recorder()


def test_is_open_until_it_is_watched(recorder: Recorder) -> None:
    assert not recorder.state.gate_closed

    recorder.state.start_watching()

    assert recorder.events == ["closed"]
    assert not recorder.state.known


def test_the_start_up_rule_can_be_turned_around() -> None:
    recorder = Recorder(open_when_unknown=True)

    recorder.state.start_watching()

    assert not recorder.state.gate_closed


async def test_connections_are_dropped_before_it_opens(recorder: Recorder) -> None:
    await recorder.state.apply_change(CLOSED)
    await recorder.state.apply_change(ServiceContext(version=3))

    assert recorder.events == ["closed", "connections dropped", "open"]


async def test_connections_are_kept_when_it_was_open(recorder: Recorder) -> None:
    await recorder.state.apply_change(OPEN)
    await recorder.state.apply_change(ServiceContext(version=2))

    assert recorder.events == ["open", "open"]


async def test_a_read_from_before_a_change_is_discarded(recorder: Recorder) -> None:
    asked = recorder.state.changes
    await recorder.state.apply_change(CLOSED)

    assert not await recorder.state.apply_read(OPEN, changes=asked)
    assert recorder.state.gate_closed


async def test_a_read_that_is_overtaken_while_it_opens_is_discarded(recorder: Recorder) -> None:
    await recorder.state.apply_change(CLOSED)
    asked = recorder.state.changes

    await asyncio.gather(
        recorder.state.apply_change(ServiceContext(maintenance=True, version=4)),
        recorder.state.apply_read(ServiceContext(version=3), changes=asked),
    )

    assert recorder.state.gate_closed


async def test_an_older_change_does_not_undo_a_newer_one(recorder: Recorder) -> None:
    await recorder.state.apply_change(CLOSED)
    await recorder.state.apply_change(OPEN)

    assert recorder.state.gate_closed


async def test_a_row_that_disappeared_is_open(recorder: Recorder) -> None:
    await recorder.state.apply_change(CLOSED)

    assert await recorder.state.apply_read(ServiceContext(), changes=recorder.state.changes)
    assert not recorder.state.gate_closed


async def test_is_stale_until_it_is_confirmed(recorder: Recorder) -> None:
    assert recorder.state.context.stale

    await recorder.state.apply_read(OPEN, changes=recorder.state.changes)
    assert not recorder.state.context.stale

    recorder.state.mark_stale()
    assert recorder.state.context.stale
