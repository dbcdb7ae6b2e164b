"""What a signal does to a service in the middle of its work, and what a failed start says to whoever started it."""

import re
import signal
import time
from pathlib import Path

import pytest
from conftest import Generate
from crowd import Crowd
from service import HYPERCORN, Commands, Postgres, note
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from concurrent.futures import ThreadPoolExecutor

pytest_plugins = ["service"]

GRACE = 3  # seconds

CONTROLLER = """
import asyncio
import atexit
from collections.abc import AsyncGenerator

from quart import Blueprint, current_app, websocket

blueprint = Blueprint("work", __name__, url_prefix="/work")


async def work(number: int, seconds: float) -> dict[str, int]:
    print("begun", number, flush=True)
    await asyncio.sleep(seconds)
    return {"todos": await current_app.container.todo_repository().count({})}


@blueprint.get("/short/<int:number>")
async def short(number: int) -> dict[str, int]:
    return await work(number, 0.05)


@blueprint.get("/long")
async def long() -> dict[str, int]:
    return await work(-1, 2)


@blueprint.get("/events")
async def events() -> tuple[AsyncGenerator[bytes, None], dict[str, str]]:
    async def stream() -> AsyncGenerator[bytes, None]:
        while True:
            yield b"data: tick\\n\\n"
            await asyncio.sleep(0.1)

    return stream(), {"Content-Type": "text/event-stream"}


@blueprint.websocket("/socket")
async def socket() -> None:
    while True:
        await websocket.send(await websocket.receive())


@blueprint.record
def watch(state) -> None:
    pool = state.app.container.database().engine
    atexit.register(lambda: print("connections at the end:", pool.pool.checkedin() + pool.pool.checkedout(), flush=True))
"""


@pytest.fixture(name="working_project", scope="module")
def _working_project(generate: Generate) -> Path:
    project = generate()
    (project / "src" / "api" / "controllers" / "work.py").write_text(CONTROLLER, encoding="utf-8")
    return project


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_load(workers: int, working_project: Path, commands: Commands, postgres: Postgres) -> None:
    words = (*HYPERCORN, "--graceful-timeout", str(GRACE), "--workers", str(workers))
    with commands.serving(working_project, *words, LOG_FORMAT="json", SQLALCHEMY_DATABASE_URI=postgres.create()) as service, ThreadPoolExecutor() as pool:
        def stream():
            with service.http.stream("GET", "/work/events") as response:
                try:
                    for _ in response.iter_raw(): pass
                except Exception as e:
                    return time.monotonic(), repr(e)
            return time.monotonic(), "end"
        def sock():
          with connect(service.url.replace("http", "ws") + "/work/socket", proxy=None) as websocket:
            try:
                websocket.recv()
            except ConnectionClosed as e:
                return time.monotonic(), repr(e)
        with Crowd.asking(service.port, "/work/short", 100) as crowd:
            st, so = pool.submit(stream), pool.submit(sock)
            time.sleep(1.5)
            lo = pool.submit(service.http.get, "/work/long")
            time.sleep(.5)
            t = time.monotonic()
            code = service.stop()
            took = time.monotonic() - t; out = service.output
    s, w = st.result(), so.result()
    print("CODE", code, "took", took, "stream", s[0]-t, s[1], "socket", w[0]-t, w[1], "long", lo.result())
    print(len(crowd.answered), len(crowd.unanswered), crowd.wrong[:3])
    begun = {int(n) for n in re.findall(r"begun (\d+)", out)}
    print("lost", begun & crowd.unanswered)
    print('\n'.join(l for l in out.splitlines() if not l.startswith('begun') and '"access"' not in l)[:6000])
