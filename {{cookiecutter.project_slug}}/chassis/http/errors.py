"""Every error becomes a response here, in the one shape that `create_problem` gives it."""

from collections.abc import Mapping
from http import HTTPStatus
from itertools import islice

import structlog
from pydantic import ValidationError as SchemaError
from quart import Quart, Response
from quart_schema import RequestSchemaValidationError
from werkzeug.exceptions import HTTPException

from chassis.domain.exceptions import (
    ConflictError,
    DomainError,
    ForbiddenError,
    NotFoundError,
    TooManyAttemptsError,
    UnauthenticatedError,
    UnavailableError,
    ValidationError,
)
from chassis.http.responses import create_problem

Statuses = Mapping[type[DomainError], HTTPStatus]
DEFAULT_STATUSES: Statuses = {
    ValidationError: HTTPStatus.BAD_REQUEST,
    UnauthenticatedError: HTTPStatus.UNAUTHORIZED,
    ForbiddenError: HTTPStatus.FORBIDDEN,
    TooManyAttemptsError: HTTPStatus.TOO_MANY_REQUESTS,
    NotFoundError: HTTPStatus.NOT_FOUND,
    ConflictError: HTTPStatus.CONFLICT,
    UnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
    DomainError: HTTPStatus.BAD_REQUEST,
}
HEADERS_OF_STATUS = {
    HTTPStatus.UNAUTHORIZED: {"WWW-Authenticate": "Bearer"},
    HTTPStatus.SERVICE_UNAVAILABLE: {"Retry-After": "1"},  # seconds
}
MAX_REASONS = 100
MAX_MISTAKES = 1000  # pydantic describes all of them or none; ten thousand would take 30 ms

log = structlog.get_logger(__name__)


def register_error_handlers(app: Quart, statuses: Statuses) -> None:
    """Register the handlers; `statuses` adds the error classes of the service.

    A class without a status has that of its nearest base class.
    """
    all_statuses = {**DEFAULT_STATUSES, **statuses}

    async def handle_domain_error(error: DomainError) -> Response:
        status = next(all_statuses[kind] for kind in type(error).__mro__ if kind in all_statuses)
        if status is HTTPStatus.SERVICE_UNAVAILABLE:
            log.warning("unavailable", reason=error.message, cause=repr(error.__cause__))
        headers = HEADERS_OF_STATUS.get(status)
        if isinstance(error, TooManyAttemptsError):
            headers = {"Retry-After": str(error.seconds)}
        return create_problem(status, error.message, headers)

    app.register_error_handler(DomainError, handle_domain_error)
    app.register_error_handler(RequestSchemaValidationError, _handle_schema_error)
    app.register_error_handler(HTTPException, _handle_http_exception)
    app.register_error_handler(Exception, _handle_unexpected_error)


async def _handle_schema_error(error: RequestSchemaValidationError) -> Response:
    cause = error.validation_error
    if not isinstance(cause, SchemaError):
        return create_problem(HTTPStatus.BAD_REQUEST, str(cause))
    if cause.error_count() > MAX_MISTAKES:
        return create_problem(HTTPStatus.BAD_REQUEST, f"The data has {cause.error_count()} mistakes")
    reasons = {
        ".".join(str(part) for part in details["loc"]): details["msg"].removeprefix("Value error, ")
        for details in islice(cause.errors(include_url=False, include_context=False, include_input=False), MAX_REASONS)
    }
    return create_problem(HTTPStatus.BAD_REQUEST, reasons.get("") or reasons)


async def _handle_http_exception(error: HTTPException) -> Response:
    status = error.code or HTTPStatus.INTERNAL_SERVER_ERROR
    headers = [header for header in error.get_headers() if header[0].lower() != "content-type"]
    return create_problem(status, error.description or error.name, dict(headers))


async def _handle_unexpected_error(error: Exception) -> Response:
    log.error("unexpected error", exc_info=error)
    return create_problem(HTTPStatus.INTERNAL_SERVER_ERROR, "An unexpected error occurred.")
