"""Requests and streams that end in different ways, or not at all."""

import asyncio
from collections.abc import AsyncGenerator

from quart import Blueprint, Response, websocket

blueprint = Blueprint("lifetime", __name__, url_prefix="/lifetime")


@blueprint.get("/seconds/<int:seconds>")
async def wait(seconds: int) -> dict[str, int]:
    print("begun", flush=True)
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        print("cancelled", flush=True)
        raise
    return {"seconds": seconds}


@blueprint.get("/broken-stream")
async def broken_stream() -> AsyncGenerator[bytes, None]:
    async def stream() -> AsyncGenerator[bytes, None]:
        yield b"first"
        await asyncio.sleep(0.1)
        raise RuntimeError("halfway")

    return stream()


@blueprint.get("/silent-stream")
async def silent_stream() -> Response:
    async def stream() -> AsyncGenerator[bytes, None]:
        print("begun", flush=True)
        yield b"first"
        await asyncio.sleep(3600)

    return without_timeout(stream())


@blueprint.get("/endless-stream")
async def endless_stream() -> Response:
    async def stream() -> AsyncGenerator[bytes, None]:
        print("begun", flush=True)
        while True:
            yield bytes(65536)

    return without_timeout(stream())


def without_timeout(stream: AsyncGenerator[bytes, None]) -> Response:
    response = Response(stream)
    response.timeout = None
    return response


@blueprint.websocket("/first-message")
async def first_message() -> None:
    await websocket.send(await websocket.receive())
    await asyncio.sleep(0.5)
