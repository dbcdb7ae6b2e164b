"""One form for all log lines, ours and those of libraries: readable in development, a JSON object in production."""

import logging
import sys
import time

import structlog
from quart import Quart, Response, g, request
from structlog.types import Processor

from src.api.requests import request_id
from src.config import Config

log = structlog.get_logger("access")

_SHARED: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.ExtraAdder(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


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


def register_request_log(app: Quart) -> None:
    """Gives every request an id and a line; the query string stays out, it may hold personal data."""

    @app.before_request
    async def _begin() -> None:
        g.started = time.perf_counter()
        g.request_id = request_id(request)
        structlog.contextvars.bind_contextvars(request_id=g.request_id)

    @app.after_request
    async def _end(response: Response) -> Response:
        response.headers["X-Request-ID"] = g.request_id
        milliseconds = round((time.perf_counter() - g.started) * 1000, 2)
        log.info(
            "request",
            method=request.method,
            path=request.root_path + request.path,
            status=response.status_code,
            milliseconds=milliseconds,
        )
        return response


def _renderer(log_format: str) -> list[Processor]:
    """Tracebacks without local variables: those hold passwords."""
    if log_format == "json":
        tracebacks = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        return [structlog.processors.ExceptionRenderer(tracebacks), structlog.processors.JSONRenderer()]
    return [
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
    ]
