"""A test may replace what the container provides; `override` ends with its `with` block."""

from quart.typing import TestClientProtocol as Client

from chassis.domain.exceptions import UnavailableError
from chassis.domain.ports import Readiness
from src.create_app import App


class FullDisk(Readiness):
    async def check(self) -> None:
        raise UnavailableError("The disk is full.")


async def test_is_not_ready_when_a_dependency_is_not(app: App, client: Client) -> None:
    with app.container.readiness.override(FullDisk()):
        response = await client.get("/health/ready")

    assert response.status_code == 503
    assert (await response.get_json())["error_message"] == "The disk is full."
