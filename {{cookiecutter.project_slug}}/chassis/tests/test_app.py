import asyncio
from typing import Annotated

import pytest
from dependency_injector.wiring import Provide, inject
from quart import Blueprint

from chassis.app import ChassisApp
from chassis.config import ChassisConfig
from chassis.domain.exceptions import ConfigurationError
from chassis.http import health
from chassis.persistence.database import Database
from chassis.tests.sample.controllers import echo
from chassis.tests.sample.create_app import create_app


async def test_a_background_task_works_outside_of_the_transaction_that_started_it(
    app: ChassisApp, database: Database
) -> None:
    seen = asyncio.get_running_loop().create_future()

    async def work() -> None:
        async with database.session() as session:
            seen.set_result(session)

    async with app.app_context(), database.transaction(), database.session() as session:
        app.add_background_task(work)
        assert await seen is not session


async def test_a_client_that_leaves_cancels_its_request(
    app: ChassisApp, config: ChassisConfig, database: Database
) -> None:
    other = create_app(config)
    started, ended = asyncio.Event(), asyncio.Event()

    @other.post("/slow")
    async def slow() -> str:
        try:
            async with database.transaction(), database.session() as session:
                await session.connection()
                started.set()
                await asyncio.sleep(30)
        finally:
            ended.set()
        return "done"

    async with other.test_client().request("/slow", method="POST") as connection:
        await connection.send_complete()
        await asyncio.wait_for(started.wait(), 5)
        assert database.engine.pool.checkedout() == 1  # type: ignore[attr-defined]
        await connection.disconnect()
        await asyncio.wait_for(ended.wait(), 5)

    assert database.engine.pool.checkedout() == 0  # type: ignore[attr-defined]


async def test_a_body_over_the_limit_is_refused(app: ChassisApp, config: ChassisConfig) -> None:
    other = create_app(config.model_copy(update={"MAX_CONTENT_LENGTH": 10}))
    client = other.test_client()

    assert (await client.post("/echo", json={"a": 1})).status_code == 200
    for response in (
        await client.post("/echo", json={"a": "x" * 10}),
        await client.post("/echo", data=b"x", headers={"Content-Type": "text/plain"}),
        await client.post("/echo", data=b"{", headers={"Content-Type": "application/json"}),
    ):
        problem = await response.get_json(force=True)
        assert (response.status_code, problem["status"]) in ((413, 413), (415, 415), (400, 400))


def test_a_misspelt_provider_stops_the_start(
    app: ChassisApp, config: ChassisConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    blueprint = Blueprint("misspelt", __name__)

    @blueprint.get("/misspelt")
    @inject
    async def view(readiness: Annotated[object, Provide["readyness"]]) -> str:
        return ""

    monkeypatch.setattr(health, "blueprint", blueprint)

    with pytest.raises(ConfigurationError, match="view asks for 'readyness'"):
        create_app(config)


def test_a_misspelt_provider_outside_of_a_view_stops_it_too(
    app: ChassisApp, config: ChassisConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    @inject
    async def helper(readiness: Annotated[object, Provide["readyness"]]) -> None: ...

    monkeypatch.setattr(echo, "helper", helper, raising=False)

    with pytest.raises(ConfigurationError, match="helper asks for 'readyness'"):
        create_app(config)
