"""A body may stop the event loop for 50 milliseconds at most, whatever it consists of."""

import asyncio
import gc
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Annotated

import pytest
from pydantic import Field
from quart import request
from quart_schema import validate_request

from chassis.app import ChassisApp
from chassis.config import ChassisConfig
from chassis.http.json_limits import MAX_DEPTH, MAX_VALUES
from chassis.http.routing import max_json
from chassis.http.schemas.body import BodySchema, Text
from chassis.runtime.garbage import frozen_objects
from chassis.tests.sample.create_app import create_app
from chassis.tests.security.asgi_client import HOST, Answer, ask

SECONDS = 0.1
MEBIBYTE = 1024 * 1024
JSON = "application/json"
URL_ENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=x"
PART = b'--x\r\nContent-Disposition: form-data; name="a"; filename="b"\r\n'


def _repeat(value: bytes, size: int = MEBIBYTE) -> bytes:
    """Return a list of as many of these values as fit."""
    return b"[" + b",".join([value] * ((size - 2) // (len(value) + 1))) + b"]"


def _list(value: bytes, number: int) -> bytes:
    return b"[" + b",".join([value] * number) + b"]"


def _fields(number: int) -> bytes:
    return b"{" + b",".join(b'"%x":0' % name for name in range(number)) + b"}"


TOO_MANY = f"The body has more than {MAX_VALUES} values"
TOO_DEEP = f"The body has lists or objects in more than {MAX_DEPTH} levels"
TOO_LONG = "The body has a number of more than 1000 digits"
INVALID = "The body is not valid JSON"
REFUSED: dict[str, tuple[bytes, int, str]] = {
    "a megabyte of lists": (_repeat(b"[]"), 413, TOO_MANY),
    "a megabyte of objects": (_repeat(b"{}"), 413, TOO_MANY),
    "a megabyte of lists with white space": (_repeat(b" [ ] "), 413, TOO_MANY),
    "a megabyte of numbers": (_repeat(b"0"), 413, TOO_MANY),
    "a megabyte of floats": (_repeat(b"1.5e300"), 413, TOO_MANY),
    "a megabyte of strings": (_repeat(b'""'), 413, TOO_MANY),
    "a megabyte of strings with a bracket": (_repeat(b'"["'), 413, TOO_MANY),
    "one value too many": (_list(b"0", MAX_VALUES + 1), 413, TOO_MANY),
    "ninety thousand fields": (_fields(90_000), 413, TOO_MANY),
    "many values after many escapes": (b'["' + b'\\"' * 100_000 + b'",' + _list(b"0", 20_000) + b"]", 413, TOO_MANY),
    "a string that seems to end": (b'["\\\\",' + _list(b"[]", 20_000) + b',"\\\\"]', 413, TOO_MANY),
    "one level too many": (b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), 400, TOO_DEEP),
    "deep objects": (b'{"a":' * 100 + b"1" + b"}" * 100, 400, TOO_DEEP),
    "deep after flat lists": (b"[" + b"[]," * 100 + b"[" * 100 + b"]" * 101, 400, TOO_DEEP),
    "a megabyte of opening brackets": (b"[" * MEBIBYTE, 400, TOO_DEEP),
    "a megabyte of closing brackets": (b"[" * 100 + b"]" * (MEBIBYTE - 100), 400, TOO_DEEP),
    "a number of 100 000 digits": (b"[" + b"9" * 100_000 + b"]", 400, TOO_LONG),
    "a number of a megabyte": (b"9" * MEBIBYTE, 400, TOO_LONG),
    "many numbers of 4300 digits": (_repeat(b"9" * 4300), 400, TOO_LONG),
    "a float of a megabyte": (b"0." + b"1" * (MEBIBYTE - 2), 400, TOO_LONG),
    "a megabyte of quotation marks": (b'"' * MEBIBYTE, 400, INVALID),
    "a megabyte of backslashes": (b"\\" * MEBIBYTE, 400, INVALID),
    "pairs of brackets": (b"[]" * (MEBIBYTE // 2), 413, TOO_MANY),
}
ACCEPTED: dict[str, bytes] = {
    "as many values as allowed": _list(b"0", MAX_VALUES - 1),
    "as many levels as allowed": b"[" * MAX_DEPTH + b"]" * MAX_DEPTH,
    "lists up to the limit": _list(b"[]", MAX_VALUES // 2 - 1),
    "objects up to the limit": _list(b'{"a":1}', MAX_VALUES // 2 - 1),
    "numbers of 1000 digits": _repeat(b"9" * 1000),
    "floats up to the limit": _list(b"1.7976931348623157e308", MAX_VALUES - 1),
    "a string of a megabyte": b'"' + b"a" * (MEBIBYTE - 2) + b'"',
    "escapes": b'"' + b"\\u0041" * (MEBIBYTE // 6 - 1) + b'"',
    "escaped quotation marks": b'"' + b'\\"' * (MEBIBYTE // 2 - 1) + b'"',
    "text with commas": b'["' + b"," * (MEBIBYTE - 4) + b'"]',
    "text with brackets": b'["' + b"[{" * (MEBIBYTE // 2 - 2) + b'"]',
    "text with digits": b'["' + b"0" * (MEBIBYTE - 4) + b'"]',
    "text with escapes and commas": b'["' + b',\\",\\\\' * (MEBIBYTE // 6 - 1) + b'"]',
}


class _Item(BodySchema):
    name: Text
    number: int
    done: bool


class _Items(BodySchema):
    items: list[_Item] | None = None
    names: list[Text] | None = None
    few: Annotated[list[Text], Field(max_length=20)] | None = None


@pytest.fixture(name="parsing", scope="module")
async def _parsing(running_app: ChassisApp, config: ChassisConfig) -> AsyncIterator[ChassisApp]:
    parsing = create_app(config.model_copy(update={"ACCESS_LOG": False}))
    parsing.container.database.override(running_app.container.database())

    @parsing.post("/parse")
    async def parse() -> str:
        await request.get_json()
        return ""

    @parsing.post("/parse-silently")
    async def parse_silently() -> str:
        return str(await request.get_json(silent=True))

    @parsing.post("/validate")
    @validate_request(_Items)
    async def validate(data: _Items) -> str:
        return ""

    @parsing.post("/form")
    async def form() -> str:
        await request.form
        return ""

    @parsing.post("/many")
    @max_json(values=20_000, depth=2)
    async def many() -> str:
        await request.get_json()
        return ""

    yield parsing
    running_app.wire()


async def _post(app: ChassisApp, path: str, body: bytes, kind: str = JSON) -> Answer:
    """Post a body as a server receives it, and check how long the event loop is stopped."""
    pieces = [body[start : start + 65536] for start in range(0, len(body), 65536)]
    headers = [*HOST, (b"content-type", kind.encode()), (b"content-length", b"%d" % len(body))]
    stops = []
    for _ in range(3):  # other processes may disturb one of them
        request = asyncio.create_task(ask(app, "POST", path, headers, pieces))
        stops.append(await _longest_stop(request))
    assert min(stops) < SECONDS
    return await request


async def _longest_stop(task: asyncio.Task[Answer]) -> float:
    """Return the longest time of the process between two steps of the event loop, in seconds."""
    longest, before = 0.0, time.process_time()
    while not task.done():
        await asyncio.sleep(0)
        now = time.process_time()
        longest, before = max(longest, now - before), now
    return longest


@pytest.mark.parametrize("name", REFUSED)
async def test_refuses_json_that_is_too_much_work(parsing: ChassisApp, name: str) -> None:
    body, status, reason = REFUSED[name]

    answer = await _post(parsing, "/parse", body)

    assert (answer.status, answer.problem["detail"]) == (status, reason)


@pytest.mark.parametrize("name", REFUSED)
async def test_bounds_the_work_if_errors_are_silent(parsing: ChassisApp, name: str) -> None:
    answer = await _post(parsing, "/parse-silently", REFUSED[name][0])

    assert (answer.status, answer.body) == (200, b"None")


@pytest.mark.parametrize("name", ACCEPTED)
async def test_accepts_json_up_to_the_limits(parsing: ChassisApp, name: str) -> None:
    json.loads(ACCEPTED[name])

    answer = await _post(parsing, "/parse", ACCEPTED[name])

    assert answer.status == 200


@pytest.mark.parametrize(
    "body",
    [
        b'{"names":' + _list(b"0", 9_900) + b"}",
        b'{"items":' + _list(b"{}", 4_900) + b"}",
        b'{"items":' + _list(b'{"x":1}', 4_900) + b"}",
        b'{"items":' + _list(b"0", 9_900) + b"}",
        b'{"few":' + _list(b"0", 9_900) + b"}",
        _fields(9_900),
    ],
)
async def test_refuses_thousands_of_mistakes(parsing: ChassisApp, body: bytes) -> None:
    answer = await _post(parsing, "/validate", body)

    assert answer.status == 400
    assert len(answer.body) < 10_000


async def test_names_the_number_of_mistakes_when_there_are_too_many_to_describe(parsing: ChassisApp) -> None:
    body = b'{"names":' + _list(b"0", 2_000) + b"}"

    answer = await _post(parsing, "/validate", body)

    assert answer.problem["error_message"] == "The data has 2000 mistakes"


async def test_a_route_may_have_limits_of_its_own(parsing: ChassisApp) -> None:
    more, most, deeper = _list(b"0", 19_000), _list(b"0", 20_001), b"[[[]]]"

    assert (await _post(parsing, "/many", more)).status == 200
    assert (await _post(parsing, "/many", most)).problem["detail"] == "The body has more than 20000 values"
    assert (await _post(parsing, "/many", deeper)).problem["detail"].endswith("more than 2 levels")


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"&" * MEBIBYTE, URL_ENCODED, 413),
        (b"a=&" * (MEBIBYTE // 3), URL_ENCODED, 413),
        (b"a=&" * 1000, URL_ENCODED, 413),
        (b"a=&" * 999, URL_ENCODED, 200),
        (b"a=" + b"%41" * 340_000, URL_ENCODED, 413),
        (b"a=" + b"%41" * 100_000, URL_ENCODED, 200),
        (PART + b"a:b\r\n" * (MEBIBYTE // 5 - 100) + b"\r\n\r\n--x--\r\n", MULTIPART, 413),
        (PART + b"a:b\r\n" * 1000 + b"\r\n\r\n--x--\r\n", MULTIPART, 200),
        (PART * (MEBIBYTE // len(PART)), MULTIPART, 413),
        ((PART + b"\r\n\r\n") * 1001 + b"--x--\r\n", MULTIPART, 413),
        (b"\r\n" * (MEBIBYTE // 2), MULTIPART, 413),
        (b"-" * MEBIBYTE, MULTIPART, 413),
        (PART + b"\r\n" + b"\r\n" * (MEBIBYTE // 2 - 100) + b"\r\n--x--\r\n", MULTIPART, 200),
        (PART + b"\r\n" + b"\r\n--" * (MEBIBYTE // 4 - 100) + b"\r\n--x--\r\n", MULTIPART, 200),
    ],
)
async def test_bounds_the_work_for_a_form(parsing: ChassisApp, body: bytes, kind: str, status: int) -> None:
    answer = await _post(parsing, "/form", body, kind)

    assert answer.status == status


def test_full_garbage_collections_are_short_after_start_up() -> None:
    def seconds(work: Callable[[], object]) -> float:
        started = time.process_time()
        work()
        return time.process_time() - started

    with frozen_objects():
        assert gc.get_freeze_count() > 10_000
        frozen = min(seconds(gc.collect) for _ in range(3))
    unfrozen = min(seconds(gc.collect) for _ in range(3))

    assert frozen < unfrozen / 10


async def test_objects_are_frozen_while_the_service_runs(app: ChassisApp, config: ChassisConfig) -> None:
    other = create_app(config)
    other.container.database.override(app.container.database())
    gc.unfreeze()

    async with other.test_app():
        while_running = gc.get_freeze_count()

    assert (while_running > 10_000, gc.get_freeze_count()) == (True, 0)
    app.wire()
