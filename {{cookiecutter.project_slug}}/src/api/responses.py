"""How an answer is written: through a schema, straight to JSON."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel
from quart import Response, request
from werkzeug.http import HTTP_STATUS_CODES

from src.api.schemas.page import page_schema
from src.api.schemas.problem import ProblemSchema
from src.domain.pagination import Page, PageRequest

Problem = str | Mapping[str, str]
PROBLEM_TYPE = "application/problem+json"


def create_response(
    value: object,
    schema: type[BaseModel],
    status: int = HTTPStatus.OK,
    headers: dict[str, Any] | None = None,
) -> Response:
    """One object, or a page of them: what the schema names is taken from attributes of the value."""
    if isinstance(value, Page):
        schema = page_schema(schema, itemized=PageRequest.of(request.args).itemized)
    body = schema.model_validate(value, from_attributes=True).model_dump_json()
    return Response(body, status, headers, content_type="application/json")


def create_empty_response() -> Response:
    """204 has neither a type nor a length: https://www.rfc-editor.org/rfc/rfc9110#section-8.6-8"""
    response = Response(status=HTTPStatus.NO_CONTENT)
    response.headers.clear()
    return response


def create_problem(status: int, message: Problem, headers: dict[str, Any] | None = None) -> Response:
    """An error as RFC 9457 has it, plus `error_message`, a sentence or field → reason."""
    body = problem_json(status, message, request.root_path + request.path if request else None)
    return Response(body, status, headers, content_type=PROBLEM_TYPE)


def problem_json(status: int, message: Problem, instance: str | None) -> str:
    return ProblemSchema(
        type="about:blank",
        title=HTTP_STATUS_CODES.get(status, "Error"),
        status=status,
        detail=message if isinstance(message, str) else "; ".join(f"{key}: {why}" for key, why in message.items()),
        instance=instance,
        error_message=message if isinstance(message, str) else dict(message),
    ).model_dump_json()
