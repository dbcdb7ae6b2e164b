import logging
from asyncio import CancelledError

import pytest

from chassis.app import ChassisApp
from chassis.config import ChassisConfig
from chassis.runtime.shutdown import Drain
from chassis.tests.sample.create_app import create_app


@pytest.fixture(name="draining_app")
def _draining_app(app: ChassisApp, config: ChassisConfig) -> ChassisApp:
    """Another application, which drains; the fixture `app` wires its own container again afterwards."""
    draining_app = create_app(config)
    draining_app.drain.begin()
    return draining_app


async def test_is_alive_but_not_ready_while_draining(draining_app: ChassisApp) -> None:
    client = draining_app.test_client()

    live, ready = await client.get("/health/live"), await client.get("/health/ready")

    assert (live.status_code, ready.status_code) == (200, 503)
    assert "about to stop" in (await ready.get_json())["error_message"]


async def test_closes_http_1_connections_while_draining(draining_app: ChassisApp) -> None:
    http_1 = await draining_app.test_client().get("/openapi.json")
    http_2 = await draining_app.test_client().get("/openapi.json", http_version="2")

    assert (http_1.status_code, http_1.headers["Connection"]) == (200, "close")
    assert "Connection" not in http_2.headers


async def test_keeps_connections_open_before_draining(app: ChassisApp) -> None:
    response = await app.test_client().get("/openapi.json")

    assert "Connection" not in response.headers


def test_begins_to_drain_only_once() -> None:
    notifications = []
    drain = Drain(0, on_begin=lambda: notifications.append(drain.is_running))

    drain.begin()
    drain.begin()

    assert notifications == [True]


def test_does_not_log_the_cancellation_of_requests_at_the_end(caplog: pytest.LogCaptureFixture) -> None:
    Drain(0, on_begin=lambda: None).begin()

    for error in (CancelledError(), ValueError()):
        logging.getLogger("asyncio").error("cut", exc_info=error)

    (record,) = (record for record in caplog.records if record.name == "asyncio")
    assert record.exc_info
    assert record.exc_info[0] is ValueError
