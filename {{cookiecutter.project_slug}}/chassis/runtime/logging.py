"""All log lines have one form, also those of libraries: readable in development, JSON in production.

Control characters are escaped, so that the text of a client cannot look like a line of its own or control a terminal.
"""

import json
import logging
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, TextIO

import structlog
from structlog.types import EventDict, ExcInfo, Processor

_CONTEXT_AND_TIME: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]
_SHARED: list[Processor] = [
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.ExtraAdder(),
    *_CONTEXT_AND_TIME,
]
_JSON = json.JSONEncoder(default=repr)  # `json.dumps` with a default would make one for each call


def configure_logging(level: str, log_format: str) -> None:
    """Set up logging for this process; `log_format` is console or json. A second call replaces the first."""
    structlog.configure(
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_SHARED,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_renderer(log_format)],
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    logging.captureWarnings(capture=True)


def create_access_log(level: str, log_format: str) -> "AccessLog | None":
    """Return None if the level is above INFO, which is that of access lines."""
    if logging.getLevelName(level) > logging.INFO:
        return None
    return AccessLog([*_CONTEXT_AND_TIME, *_line_renderer(log_format)])


class AccessLog:
    """Writes the same lines as the loggers, which would cost more than the line itself.

    A line that cannot be written does not fail the request, as with loggers.
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
    """Tracebacks have no local variables, which may hold passwords."""
    if log_format == "json":
        tracebacks = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        return [structlog.processors.ExceptionRenderer(tracebacks), *_line_renderer(log_format)]
    return _line_renderer(log_format)


def _line_renderer(log_format: str) -> list[Processor]:
    if log_format == "json":
        return [structlog.processors.JSONRenderer(_to_json)]
    console = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=_write_traceback)
    return [_escape_fields, console]


def _to_json(event: Any, **_: object) -> str:  # noqa: ANN401 - an event dictionary
    return _JSON.encode(event)


def _escape_fields(_logger: object, _method: str, event: EventDict) -> EventDict:
    for key, value in event.items():
        text = value if isinstance(value, str) else repr(value)
        if key != "exc_info" and not text.isprintable():
            event[key] = escape(text)
    return event


def _write_traceback(output: TextIO, exc_info: ExcInfo) -> None:
    """Indent every line, because the message of an exception may contain line breaks."""
    for line in "".join(traceback.format_exception(*exc_info)).rstrip("\n").split("\n"):
        output.write(f"\n  {escape(line)}")


def escape(text: str) -> str:
    """Write control characters, and others that are not visible, as Python does: `\\x1b`, `\\n`, `\\u202e`."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )
