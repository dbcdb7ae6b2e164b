"""MAX_CONTENT_LENGTH holds however a client sends a body, and however a view reads it."""

import asyncio
import sys
from collections.abc import AsyncIterator

import pytest
from quart import request

from chassis.app import ChassisApp
from chassis.config import ChassisConfig
from chassis.http.bodies import BoundedBody
from chassis.http.routing import MiB, max_content_length
from chassis.tests.sample.create_app import create_app
from chassis.tests.security.raw_http import Server, chunks, serving_on_loopback

LIMIT = 100_000
LARGER_LIMIT = 1 * MiB
READERS = ["data", "json", "form", "files", "parts", "values"]
CHUNKED = b"Transfer-Encoding: chunked"
MULTIPART = b"Content-Type: multipart/form-data; boundary=x"
KINDS = {
    "data": b"Content-Type: application/octet-stream",
    "parts": b"Content-Type: application/octet-stream",
    "json": b"Content-Type: application/json",
    "form": b"Content-Type: application/x-www-form-urlencoded",
    "values": MULTIPART,
    "files": MULTIPART,
}


def _body(reader: str, size: int) -> bytes:
    """Return a body of exactly this size that the reader understands."""
    before, after = {
        "json": (b'"', b'"'),
        "form": (b"a=", b""),
        "values": (b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n', b"\r\n--x--\r\n"),
        "files": (b'--x\r\nContent-Disposition: form-data; name="a"; filename="b"\r\n\r\n', b"\r\n--x--\r\n"),
    }.get(reader, (b"", b""))
    return before + b"a" * (size - len(before) - len(after)) + after


async def _read(reader: str) -> int:
    if reader == "parts":
        return sum([len(part) async for part in request.body])
    if reader == "data":
        return len(await request.get_data())
    if reader == "json":
        return len(await request.get_json())
    if reader == "files":
        return len((await request.files)["a"].read())
    return len((await (request.form if reader == "form" else request.values))["a"])


@pytest.fixture(name="limited")
def _limited(running_app: ChassisApp, config: ChassisConfig) -> ChassisApp:
    return _limited_app(running_app, config)


@pytest.fixture(name="server", scope="module")
async def _server(running_app: ChassisApp, config: ChassisConfig) -> AsyncIterator[Server]:
    async with serving_on_loopback(_limited_app(running_app, config)) as server:
        yield server
    running_app.wire()


def _limited_app(app: ChassisApp, config: ChassisConfig) -> ChassisApp:
    limited = create_app(config.model_copy(update={"MAX_CONTENT_LENGTH": LIMIT}))
    limited.config["MAX_FORM_MEMORY_SIZE"] = LARGER_LIMIT
    limited.container.database.override(app.container.database())

    @limited.post("/read/<reader>")
    async def read(reader: str) -> dict[str, int]:
        return {"size": await _read(reader)}

    @limited.post("/read-more/<reader>")
    @max_content_length(LARGER_LIMIT)
    async def read_more(reader: str) -> dict[str, int]:
        return {"size": await _read(reader)}

    @limited.post("/read-less/<reader>")
    @max_content_length(LIMIT // 2)
    async def read_less(reader: str) -> dict[str, int]:
        return {"size": await _read(reader)}

    return limited


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    ("path", "limit"), [("/read", LIMIT), ("/read-more", LARGER_LIMIT), ("/read-less", LIMIT // 2)]
)
@pytest.mark.parametrize("is_chunked", [True, False], ids=["chunked", "with a length"])
async def test_refuses_a_body_over_the_limit_of_the_route(
    server: Server, reader: str, path: str, limit: int, is_chunked: bool
) -> None:
    async def send(size: int, *headers: bytes) -> int:
        body = _body(reader, size)
        framing = CHUNKED if is_chunked else b"Content-Length: %d" % size
        answer = await server.ask(
            f"POST {path}/{reader}", [KINDS[reader], framing, *headers], chunks(body) if is_chunked else [body]
        )
        if answer.status == 413:
            assert answer.problem["detail"] == "The data value transmitted exceeds the capacity limit."
        return answer.status

    assert await send(limit) == 200
    assert await send(limit + 1) == 413
    assert await send(limit + 1, b"Expect: 100-continue") == 413


async def test_refuses_a_long_stream_while_a_view_reads_it_part_by_part(limited: ChassisApp) -> None:
    """Each part is read before the next one comes, so that there is never much to compare with the limit."""
    parts_read = 0

    @limited.post("/stream")
    async def stream() -> str:
        nonlocal parts_read
        async for _ in request.body:
            parts_read += 1
        return ""

    headers = {"Transfer-Encoding": "chunked"}
    async with limited.test_client().request("/stream", method="POST", headers=headers) as connection:
        for _ in range(50):
            await connection.send(b"x" * 10_000)
            await asyncio.sleep(0.005)
        await connection.send_complete()

    assert (await connection.as_response()).status_code == 413
    assert 1 < parts_read <= LIMIT // 10_000


async def test_drops_a_body_over_the_limit() -> None:
    body = BoundedBody(None, LIMIT)
    body.limit = LIMIT
    await _receive(body)
    kept = _count_kept(body)
    await _receive(body)

    assert (kept, _count_kept(body)) == (LIMIT, 0)


async def _receive(body: BoundedBody) -> None:
    if sys.version_info >= (3, 13):  # Quart 0.23
        await body.put(b"x" * LIMIT)
    else:
        body.append(b"x" * LIMIT)


def _count_kept(body: BoundedBody) -> int:
    if sys.version_info >= (3, 13):
        return body._queue.qsize() * LIMIT
    return len(body._data)


async def test_a_view_may_set_the_limit_of_its_request(limited: ChassisApp) -> None:
    @limited.post("/own-limit")
    async def own_limit() -> dict[str, int]:
        request.max_content_length = 10
        return {"size": await _read("data")}

    client = limited.test_client()

    assert (await client.post("/own-limit", data=b"x" * 10)).status_code == 200
    assert (await client.post("/own-limit", data=b"x" * 11)).status_code == 413
