import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from chassis.config import ChassisConfig
from chassis.runtime.logging import configure_logging


@pytest.fixture(name="_restored", autouse=True)
def __restored(config: ChassisConfig) -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    configure_logging(config.LOG_LEVEL, config.LOG_FORMAT)
    root.handlers, root.level = before


def _log_a_failure(config: ChassisConfig, log_format: str, capsys: pytest.CaptureFixture[str]) -> str:
    configure_logging(config.LOG_LEVEL, log_format)
    password = "swordfish"
    try:
        password[100]
    except IndexError:
        structlog.get_logger("ours").exception("failed")
        logging.getLogger("theirs").exception("failed")
    return capsys.readouterr().err


def test_json_is_one_object_a_line_from_everybody(config: ChassisConfig, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [json.loads(line) for line in _log_a_failure(config, "json", capsys).splitlines()]

    assert [(line["logger"], line["event"], line["level"]) for line in lines] == [
        ("ours", "failed", "error"),
        ("theirs", "failed", "error"),
    ]
    assert {line["exception"][0]["exc_type"] for line in lines} == {"IndexError"}


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_traceback_tells_no_local_variables(
    config: ChassisConfig, capsys: pytest.CaptureFixture[str], log_format: str
) -> None:
    logged = _log_a_failure(config, log_format, capsys)

    assert "_log_a_failure" in logged
    assert "swordfish" not in logged


def test_a_level_is_left_out_below_the_configured_one(
    config: ChassisConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging("WARNING", config.LOG_FORMAT)

    structlog.get_logger("ours").info("quiet")
    logging.getLogger("theirs").info("quiet")

    assert capsys.readouterr().err == ""
