import logging
from asyncio import CancelledError

import pytest

from chassis.app import ChassisApp
from chassis.config import ChassisConfig
from chassis.runtime.shutdown import Drain
from chassis.tests.sample.create_app import create_app


@pytest.fixture(name="stopping")
def _stopping(app: ChassisApp, config: ChassisConfig) -> ChassisApp:
    """An application that has been told to stop; `app` wires its own container again afterwards."""
    other = create_app(config)
    other.drain.begin()
    return other


async def test_a_service_that_stops_is_alive_but_not_ready(stopping: ChassisApp) -> None:
    client = stopping.test_client()

    live, ready = await client.get("/health/live"), await client.get("/health/ready")

    assert (live.status_code, ready.status_code) == (200, 503)
    assert "about to stop" in (await ready.get_json())["error_message"]


async def test_its_responses_are_the_last_of_their_connections(stopping: ChassisApp) -> None:
    response = await stopping.test_client().get("/openapi.json")
    in_http_2 = await stopping.test_client().get("/openapi.json", http_version="2")

    assert (response.status_code, response.headers["Connection"]) == (200, "close")
    assert "Connection" not in in_http_2.headers


async def test_a_service_that_serves_keeps_connections(app: ChassisApp) -> None:
    response = await app.test_client().get("/openapi.json")

    assert "Connection" not in response.headers


def test_draining_begins_once() -> None:
    began = []
    drain = Drain(0, on_begin=lambda: began.append(drain.is_running))

    drain.begin()
    drain.begin()

    assert began == [True]


def test_a_request_that_is_cut_in_the_end_is_no_error_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    Drain(0, on_begin=lambda: None).begin()

    for error in (CancelledError(), ValueError()):
        logging.getLogger("asyncio").error("cut", exc_info=error)

    (record,) = (record for record in caplog.records if record.name == "asyncio")
    assert record.exc_info
    assert record.exc_info[0] is ValueError
