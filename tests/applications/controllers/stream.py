"""Streams without an end: one that ends when its instance drains, one that does not, and one that sends a lot."""

import asyncio
from collections.abc import AsyncIterator

from chassis.http.streams import until_closing
from quart import Blueprint, Response

blueprint = Blueprint("stream", __name__, url_prefix="/stream")


async def tick() -> AsyncIterator[bytes]:
    try:
        while True:
            yield b"data: tick\n\n"
            await asyncio.sleep(0.1)
    finally:
        print("stream ended", flush=True)


async def flood() -> AsyncIterator[bytes]:
    while True:
        yield b"x" * 65536


def respond(stream: AsyncIterator[bytes]) -> Response:
    response = Response(stream, content_type="text/event-stream")
    response.timeout = None
    return response


@blueprint.get("/events")
async def events() -> Response:
    return respond(until_closing(tick()))


@blueprint.get("/endless")
async def endless() -> Response:
    return respond(tick())


@blueprint.get("/flood")
async def download() -> Response:
    return respond(flood())
