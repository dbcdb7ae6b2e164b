"""Routes that show how a request arrives through a proxy, and that stress what the proxy passes on."""

import asyncio
from collections.abc import AsyncGenerator

from quart import Blueprint, Request, Response, ResponseReturnValue, Websocket, redirect, request, url_for, websocket

blueprint = Blueprint("connection", __name__, url_prefix="/connection")
counts = {"slow": 0, "large": 0}
released = asyncio.Event()


def describe(connection: Request | Websocket) -> dict[str, object]:
    client = connection.scope["client"]
    return {
        "client": connection.remote_addr,
        "port": client[1] if client else None,
        "url": connection.url,
        "path": url_for("connection.http"),
        "external_url": url_for("connection.http", _external=True),
    }


@blueprint.get("")
async def http() -> dict[str, object]:
    return describe(request)


@blueprint.get("/moved")
async def moved() -> ResponseReturnValue:
    return redirect(url_for("connection.http"))


@blueprint.websocket("/socket")
async def socket() -> None:
    await websocket.send_json(describe(websocket))
    while True:
        await websocket.send(await websocket.receive())


@blueprint.get("/events")
async def events() -> Response:
    async def stream() -> AsyncGenerator[bytes, None]:
        released.clear()
        yield b"data: first\n\n"
        await released.wait()
        yield b"data: second\n\n"

    return Response(stream(), headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"})


@blueprint.post("/release")
async def release() -> dict[str, str]:
    released.set()
    return {}


@blueprint.get("/large")
async def large() -> Response:
    async def stream() -> AsyncGenerator[bytes, None]:
        for _ in range(512):
            yield bytes(65536)
        counts["large"] += 1

    return Response(stream(), content_type="application/octet-stream")


@blueprint.route("/slow", methods=["GET", "POST"])
async def slow() -> dict[str, str]:
    counts["slow"] += 1
    await asyncio.sleep(30)
    return {}


@blueprint.get("/counts")
async def count() -> dict[str, int]:
    return counts
