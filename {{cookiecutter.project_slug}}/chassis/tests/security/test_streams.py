"""A stream without an end: a drain once waited for it in vain, with the window active and the command not run."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from quart import Response, make_response, websocket

from chassis.app import ChassisApp
from chassis.config import ChassisConfig
from chassis.http.streams import Closing, _iterate, until_closing
from chassis.maintenance.service_context import ServiceContext
from chassis.tests.sample.create_app import create_app

ACTIVE = ServiceContext(maintenance=True, version=1)
INACTIVE = ServiceContext(version=2)
BeginDrain = Callable[[ChassisApp], Awaitable[None]]


class Events:
    """A stream of two items and then none, which remembers how it ended."""

    def __init__(self) -> None:
        self.ended_by: BaseException | None = None
        self.cleaned_up = False

    async def __call__(self) -> AsyncIterator[bytes]:
        try:
            yield b"data: 1\n\n"
            yield b"data: 2\n\n"
            await asyncio.sleep(60)
            yield b"data: too late\n\n"
        except BaseException as error:
            self.ended_by = error
            raise
        finally:
            self.cleaned_up = True


@pytest.fixture(name="events")
def _events() -> Events:
    return Events()


@pytest.fixture(name="streaming")
def _streaming(app: ChassisApp, config: ChassisConfig, events: Events) -> ChassisApp:
    streaming = create_app(config)
    streaming.container.database.override(app.container.database())

    @streaming.get("/events")
    async def stream() -> Response:
        async def with_farewell() -> AsyncIterator[bytes]:
            async for event in until:
                yield event
            yield b"event: farewell\n\n"

        until = until_closing(events())
        response = await make_response(with_farewell(), {"Content-Type": "text/event-stream"})
        assert isinstance(response, Response)
        response.timeout = None
        return response

    @streaming.websocket("/ticks")
    async def ticks() -> None:
        async for event in until_closing(events()):
            await websocket.send(event)

    return streaming


async def wait_until_quiet(app: ChassisApp) -> None:
    async with asyncio.timeout(5):
        while app.in_flight:
            await asyncio.sleep(0.01)


async def activate(app: ChassisApp) -> None:
    await app.container.maintenance_state().apply_change(ACTIVE)


async def stop(app: ChassisApp) -> None:
    app.container.in_flight().stop()


@pytest.mark.parametrize("begin_drain", [activate, stop])
async def test_a_stream_ends_when_its_instance_drains(
    begin_drain: BeginDrain, streaming: ChassisApp, events: Events
) -> None:
    async with streaming.test_client().request("/events") as connection:
        await connection.send_complete()
        assert await connection.receive() == b"data: 1\n\n"
        assert await connection.receive() == b"data: 2\n\n"
        assert streaming.in_flight == 1

        await begin_drain(streaming)

        assert await connection.receive() == b"event: farewell\n\n"
        await wait_until_quiet(streaming)
    assert isinstance(events.ended_by, asyncio.CancelledError)
    assert events.cleaned_up


async def test_a_stream_over_a_websocket_ends_as_well(streaming: ChassisApp, events: Events) -> None:
    async with streaming.test_client().websocket("/ticks") as socket:
        assert await socket.receive() == b"data: 1\n\n"
        await activate(streaming)
        await wait_until_quiet(streaming)

    assert events.cleaned_up


async def test_a_new_stream_is_served_after_the_window(streaming: ChassisApp) -> None:
    await activate(streaming)
    await streaming.container.maintenance_state().apply_change(INACTIVE)

    async with streaming.test_client().request("/events") as connection:
        await connection.send_complete()
        assert await connection.receive() == b"data: 1\n\n"
        assert await connection.receive() == b"data: 2\n\n"
        await connection.disconnect()


async def test_a_new_stream_of_an_instance_that_stops_ends_at_once(streaming: ChassisApp) -> None:
    await stop(streaming)

    response = await streaming.test_client().get("/events")

    assert (response.status_code, await response.get_data()) == (200, b"event: farewell\n\n")


async def test_errors_and_the_end_of_a_stream_are_passed_on() -> None:
    async def fail() -> AsyncIterator[int]:
        yield 1
        raise TimeoutError("of the stream itself")

    async def count() -> AsyncIterator[int]:
        for number in range(3):
            yield number

    assert [number async for number in _iterate(aiter(count()), Closing())] == [0, 1, 2]
    with pytest.raises(TimeoutError, match="of the stream itself"):
        [number async for number in _iterate(aiter(fail()), Closing())]


def test_a_stream_can_be_ended_outside_of_an_application_only_by_itself() -> None:
    with pytest.raises(RuntimeError, match="request context"):
        until_closing(Events()())
