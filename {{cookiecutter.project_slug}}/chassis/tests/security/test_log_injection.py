"""A client cannot control the terminal of somebody who reads the log, and cannot forge a line."""

import json
import logging
import re
from collections.abc import Iterator

import pytest
import structlog
from quart import request

from chassis.app import ChassisApp
from chassis.config import ChassisConfig
from chassis.runtime.logging import configure_logging, create_access_log, escape
from chassis.tests.sample.create_app import create_app
from chassis.tests.security.raw_http import serving_on_loopback

ATTACK = "\x1b[2J\x07\r\nFORGED\x0b\x0cFORGED\x7f\x85FORGED\x9b31m\u2028FORGED\u2029\u202eFORGED\u200b\ud800"
UNSAFE = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\ud800-\udfff]")
BEGIN = re.compile(r'\{"|\d{4}-\d\d-\d\dT|  ')  # of a line: JSON, a time, or the indentation of a traceback


class Hostile:
    def __repr__(self) -> str:
        return ATTACK


@pytest.fixture(name="_restored", autouse=True)
def __restored(config: ChassisConfig) -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    configure_logging(config.LOG_LEVEL, config.LOG_FORMAT)
    root.handlers, root.level = before


def _assert_safe(output: str) -> None:
    assert "FORGED" in output
    assert not UNSAFE.search(output)
    for line in output.split("\n")[:-1]:
        assert BEGIN.match(line)


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_escapes_every_field(log_format: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("DEBUG", log_format)
    fields = {
        "text": ATTACK,
        "list": [ATTACK],
        "object": Hostile(),
        "map": {ATTACK: ATTACK},
        "bytes": ATTACK.encode("utf-8", "replace"),
    }

    structlog.get_logger("chassis").info(ATTACK, **fields)
    logging.getLogger("library").warning("%s", ATTACK, extra=fields)
    logging.getLogger("asyncio").error(f"{ATTACK}\nfuture: {Hostile()!r}")  # noqa: G004

    output = capsys.readouterr().err
    _assert_safe(output)
    assert output.count("\n") == 3


def _fail() -> None:
    cause = ValueError(ATTACK)
    cause.add_note(ATTACK)
    raise ExceptionGroup(ATTACK, [RuntimeError(ATTACK), KeyError(ATTACK)]) from cause


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_escapes_the_text_of_an_exception(log_format: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("DEBUG", log_format)
    try:
        _fail()
    except ExceptionGroup:
        structlog.get_logger("chassis").exception("failed")
        logging.getLogger("hypercorn.error").exception("failed")

    output = capsys.readouterr().err
    _assert_safe(output)
    if log_format == "json":
        assert output.count("\n") == 2
    else:
        assert output.count("Exception Group Traceback (most recent call last):") == 2


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_escapes_every_field_of_an_access_line(log_format: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("INFO", log_format)
    log = create_access_log("INFO", log_format)
    assert log is not None

    log("request", method=ATTACK, path=ATTACK, status=200)

    output = capsys.readouterr().err
    _assert_safe(output)
    assert output.count("\n") == 1


@pytest.mark.parametrize("log_format", ["json", "console"])
async def test_escapes_the_text_of_a_request_in_the_log(
    app: ChassisApp, config: ChassisConfig, log_format: str, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = {"LOG_FORMAT": log_format, "LOG_LEVEL": "DEBUG", "ACCESS_LOG": True}
    other = create_app(config.model_copy(update=settings))
    other.container.database.override(app.container.database())
    attack = "%1b[2J%07%0d%0aFORGED%0b%0cFORGED%7f%C2%85FORGED%C2%9b31m%E2%80%A8FORGED%E2%80%AEFORGED"
    headers = [b"X-Request-ID: \xc2\x9b31mFORGED", b"User-Agent: \xc2\x9b31mFORGED", b"X-Forwarded-For: \xc2\x9bFORGED"]

    @other.get("/failing")
    async def failing() -> str:
        raise RuntimeError(request.args["reason"])

    capsys.readouterr()
    async with serving_on_loopback(other) as server:
        for path in (f"/{attack}", f"/failing?reason={attack}", f"/health/live?{attack}", f"//{attack}"):
            answer = await server.ask(f"GET {path}", headers)
            assert not UNSAFE.search(answer.headers["x-request-id"])
    app.wire()

    output = capsys.readouterr().err
    _assert_safe(output)
    assert "RuntimeError" in output
    assert output.count('"request"' if log_format == "json" else "[access]") == 4


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("plain", "plain"),
        ("é 漢字 €", "é 漢字 €"),
        ("\x1b[2J", r"\x1b[2J"),
        ("a\r\nb\tc", r"a\r\nb\tc"),
        ("\x9b\x7f", r"\x9b\x7f"),
        ("\u202e\u2028", r"\u202e\u2028"),
        ("\ud800", r"\ud800"),
    ],
)
def test_escapes_invisible_characters(text: str, escaped: str) -> None:
    assert escape(text) == escaped


def test_json_has_the_text_that_was_logged(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("DEBUG", "json")

    structlog.get_logger("chassis").info("event", text=ATTACK)

    assert json.loads(capsys.readouterr().err)["text"] == ATTACK
