"""One form for all log lines, ours and those of libraries: readable in development, a JSON object in production."""

import json
import logging
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import structlog
from structlog.types import Processor

from src.config import Config

_WHERE_AND_WHEN: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]
_SHARED: list[Processor] = [
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.ExtraAdder(),
    *_WHERE_AND_WHEN,
]
_JSON = json.JSONEncoder(default=repr)  # made once: `json.dumps` with a default makes one for each call


def configure_logging(config: Config) -> None:
    """Sets up logging for this process; a second call replaces the first."""
    structlog.configure(
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(config.LOG_LEVEL)),
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_SHARED,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_renderer(config.LOG_FORMAT)],
        )
    )
    logging.basicConfig(handlers=[handler], level=config.LOG_LEVEL, force=True)
    logging.captureWarnings(capture=True)


def access_log(config: Config) -> "AccessLog | None":
    """What writes the lines of requests, if they are wanted."""
    if not config.ACCESS_LOG or logging.getLevelName(config.LOG_LEVEL) > logging.INFO:
        return None
    return AccessLog([*_WHERE_AND_WHEN, _renderer(config.LOG_FORMAT)[-1]])


class AccessLog:
    """Writes what the loggers would, without them: they cost more than the line.

    As there, a line that cannot be written fails no request.
    """

    def __init__(self, processors: Sequence[Processor]) -> None:
        self._processors = processors

    def __call__(self, event: str, **fields: object) -> None:
        line: Any = {"event": event, **fields, "level": "info", "logger": "access"}
        for processor in self._processors:
            line = processor(None, "info", line)
        with suppress(OSError, ValueError):
            sys.stderr.write(f"{line}\n")


def _renderer(log_format: str) -> list[Processor]:
    """Tracebacks without local variables: those hold passwords."""
    if log_format == "json":
        tracebacks = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        return [structlog.processors.ExceptionRenderer(tracebacks), structlog.processors.JSONRenderer(_to_json)]
    return [
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
    ]


def _to_json(event: Any, **_: object) -> str:  # noqa: ANN401 - what the renderer takes
    return _JSON.encode(event)
