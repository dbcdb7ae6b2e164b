"""Routes that need no database: the number of running tasks, and a websocket whose end is printed."""

import asyncio

from quart import Blueprint, websocket

blueprint = Blueprint("instance", __name__, url_prefix="/instance")


@blueprint.get("")
async def status() -> dict[str, int]:
    return {"tasks": len(asyncio.all_tasks())}


@blueprint.websocket("/socket")
async def socket() -> None:
    try:
        while True:
            await websocket.send(await websocket.receive())
    finally:
        print("the handler has ended", flush=True)
