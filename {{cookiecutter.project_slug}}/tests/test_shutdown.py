import logging
from asyncio import CancelledError

import pytest

from src.config import Config
from src.create_app import Service, create_app
from src.shutdown import Drain


@pytest.fixture(name="stopping")
def _stopping(app: Service, config: Config) -> Service:
    """An application that has been told to stop; `app` wires its own container again afterwards."""
    other = create_app(config)
    other.drain.begin()
    return other


async def test_a_service_that_stops_is_alive_but_not_ready(stopping: Service) -> None:
    client = stopping.test_client()

    live, ready = await client.get("/health/live"), await client.get("/health/ready")

    assert (live.status_code, ready.status_code) == (200, 503)
    assert "about to stop" in (await ready.get_json())["error_message"]


async def test_its_responses_are_the_last_of_their_connections(stopping: Service) -> None:
    response = await stopping.test_client().get("/openapi.json")
    in_http_2 = await stopping.test_client().get("/openapi.json", http_version="2")

    assert (response.status_code, response.headers["Connection"]) == (200, "close")
    assert "Connection" not in in_http_2.headers


async def test_a_service_that_serves_keeps_connections(app: Service) -> None:
    response = await app.test_client().get("/openapi.json")

    assert "Connection" not in response.headers


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr("time.monotonic", lambda: self.now)


@pytest.fixture(name="clock")
def _clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_draining_takes_as_long_as_it_should(clock: Clock) -> None:
    drain = Drain(5, on_begin=lambda: None)
    clock.now += 1000
    assert not drain.over

    drain.begin()

    clock.now += 4.9
    drain.begin()
    assert not drain.over
    clock.now += 0.1
    assert drain.over


def test_draining_begins_once() -> None:
    began = []
    drain = Drain(0, on_begin=lambda: began.append(drain.running))

    drain.begin()
    drain.begin()

    assert began == [True]
    assert drain.over


def test_a_request_that_is_cut_in_the_end_is_no_error_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    Drain(0, on_begin=lambda: None).begin()

    for error in (CancelledError(), ValueError()):
        logging.getLogger("asyncio").error("cut", exc_info=error)

    (record,) = (record for record in caplog.records if record.name == "asyncio")
    assert record.exc_info
    assert record.exc_info[0] is ValueError
