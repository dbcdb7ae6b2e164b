import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from chassis.config import ChassisConfig
from chassis.runtime.logging import configure_logging

PASSWORD = "swordfish"


@pytest.fixture(autouse=True)
def _restore_logging(config: ChassisConfig) -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    configure_logging(config.LOG_LEVEL, config.LOG_FORMAT)
    root.handlers, root.level = handlers, level


def _log_failure(config: ChassisConfig, log_format: str, capsys: pytest.CaptureFixture[str]) -> str:
    configure_logging(config.LOG_LEVEL, log_format)
    password = PASSWORD
    try:
        password[100]
    except IndexError:
        structlog.get_logger("service").exception("failed")
        logging.getLogger("library").exception("failed")
    return capsys.readouterr().err


def test_writes_lines_of_the_service_and_of_libraries_as_json(
    config: ChassisConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [json.loads(line) for line in _log_failure(config, "json", capsys).splitlines()]

    assert [(line["logger"], line["event"], line["level"]) for line in lines] == [
        ("service", "failed", "error"),
        ("library", "failed", "error"),
    ]
    assert {line["exception"][0]["exc_type"] for line in lines} == {"IndexError"}


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_leaves_local_variables_out_of_tracebacks(
    config: ChassisConfig, capsys: pytest.CaptureFixture[str], log_format: str
) -> None:
    output = _log_failure(config, log_format, capsys)

    assert "_log_failure" in output
    assert PASSWORD not in output


def test_writes_nothing_below_the_configured_level(config: ChassisConfig, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("WARNING", config.LOG_FORMAT)

    structlog.get_logger("service").info("quiet")
    logging.getLogger("library").info("quiet")

    assert capsys.readouterr().err == ""
