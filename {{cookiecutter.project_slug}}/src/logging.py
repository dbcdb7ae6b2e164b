"""One form for all log lines, ours and those of libraries: readable in development, a JSON object in production."""

import json
import logging
import sys
from contextlib import suppress
from typing import Any

import structlog
from structlog.types import FilteringBoundLogger, Processor

from src.config import Config

_SHARED: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.ExtraAdder(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]
_JSON = json.JSONEncoder(default=repr)  # made once: `json.dumps` with a default makes one a call, half of a line's cost


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


def access_log(config: Config) -> FilteringBoundLogger | None:
    """What writes a line for each request, or None. There are many: they skip the loggers of the standard library."""
    if not config.ACCESS_LOG:
        return None
    log: FilteringBoundLogger = structlog.wrap_logger(
        _Stderr(),
        processors=[*_SHARED, *_renderer(config.LOG_FORMAT)],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(config.LOG_LEVEL)),
    ).bind()
    return log


class _Stderr:
    """As with a handler of the standard library, a line that cannot be written fails no request."""

    name = "access"

    def info(self, line: str) -> None:
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
