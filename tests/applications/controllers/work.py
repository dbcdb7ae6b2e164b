"""Work that a shutdown interrupts, and failures of a start that the environment asks for."""

import asyncio
import atexit
import os
from collections.abc import AsyncGenerator, Awaitable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

from dependency_injector.wiring import Provide, inject
from quart import Blueprint, websocket
from quart.blueprints import BlueprintSetupState
from sqlalchemy import QueuePool

from src.services.todo_service import TodoService

if TYPE_CHECKING:
    from src.create_app import App  # which imports the controllers

blueprint = Blueprint("work", __name__, url_prefix="/work")
Todos = Annotated[TodoService, Provide["todo_service"]]

if "IMPORT_FAILS" in os.environ:
    raise ImportError("nothing of that name")


async def work(number: int, until: Awaitable[None], todos: TodoService) -> dict[str, int]:
    print(f"begun {number}", flush=True)
    await until
    return {"todos": await todos.count()}


@blueprint.get("/short/<int:number>")
@inject
async def short(number: int, todos: Todos) -> dict[str, int]:
    return await work(number, asyncio.sleep(0.05), todos)


@blueprint.get("/long/<int:number>")
@inject
async def long(number: int, todos: Todos) -> dict[str, int]:
    return await work(number, asyncio.sleep(2), todos)


async def wait_for_release() -> None:
    while Path("hold").exists():
        await asyncio.sleep(0.02)


@blueprint.get("/held/<int:number>")
@inject
async def held(number: int, todos: Todos) -> dict[str, int]:
    return await work(number, wait_for_release(), todos)


@blueprint.get("/events")
async def events() -> tuple[AsyncGenerator[bytes, None], dict[str, str]]:
    async def stream() -> AsyncGenerator[bytes, None]:
        print("stream begun", flush=True)
        while True:
            yield b"data: tick\n\n"
            await asyncio.sleep(0.1)

    return stream(), {"Content-Type": "text/event-stream"}


@blueprint.websocket("/socket")
async def socket() -> None:
    print("socket begun", flush=True)
    while True:
        await websocket.send(await websocket.receive())


@blueprint.record
def watch(state: BlueprintSetupState) -> None:
    app = cast("App", state.app)
    engine = app.container.database().engine

    @atexit.register
    def print_connections() -> None:
        assert isinstance(engine.pool, QueuePool)
        print(f"connections at exit: {engine.pool.checkedin()}", flush=True)

    @app.before_serving
    async def fail() -> None:
        if "START_FAILS" in os.environ:
            raise RuntimeError("it cannot start")
