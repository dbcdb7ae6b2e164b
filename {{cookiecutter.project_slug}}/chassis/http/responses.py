"""Responses are written to JSON through a schema; attributes that it does not name are not sent."""

from http import HTTPStatus
from typing import Any

from pydantic import BaseModel
from quart import Response, request

from chassis.domain.pagination import Page
from chassis.http.problems import PROBLEM_TYPE, Reasons, problem_body
from chassis.http.schemas.page import page_schema

ResponseHeaders = dict[str, Any]


def create_response(
    value: object,
    schema: type[BaseModel],
    status: int = HTTPStatus.OK,
    headers: ResponseHeaders | None = None,
) -> Response:
    """Return one object or a `Page` of objects as JSON, with the attributes that the schema names."""
    if isinstance(value, Page):
        schema = page_schema(schema, itemized=value.itemized)
    body = schema.model_validate(value, from_attributes=True).model_dump_json()
    return Response(body, status, headers, content_type="application/json")


def create_empty_response() -> Response:
    """Return a 204, which has neither a type nor a length: https://www.rfc-editor.org/rfc/rfc9110#section-8.6-8"""
    response = Response(status=HTTPStatus.NO_CONTENT)
    response.headers.clear()
    return response


def create_problem(status: int, reasons: Reasons, headers: ResponseHeaders | None = None) -> Response:
    """Return an error with the body that all errors have."""
    instance = request.root_path + request.path if request else None
    return Response(problem_body(status, reasons, instance), status, headers, content_type=PROBLEM_TYPE)
