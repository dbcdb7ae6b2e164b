"""Work that is in flight until the file `hold` has been deleted."""

import asyncio
from pathlib import Path

from quart import Blueprint, current_app, websocket

blueprint = Blueprint("slow", __name__, url_prefix="/slow")


async def work() -> None:
    while Path("hold").exists():
        await asyncio.sleep(0.02)


@blueprint.get("/request")
async def request() -> dict[str, int]:
    print("begun", flush=True)
    await work()
    return {}


@blueprint.get("/background")
async def background() -> dict[str, int]:
    current_app.add_background_task(work)
    return {}


@blueprint.websocket("/socket")
async def socket() -> None:
    try:
        while True:
            await websocket.send(await websocket.receive())
    finally:
        await work()
