"""Responses are written to JSON through a schema; attributes that it does not name are not sent."""

from collections.abc import Iterator
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel
from quart import Quart, Response, request
from quart.typing import ResponseTypes

from chassis.domain.exceptions import ValidationError
from chassis.domain.pagination import DEFAULT_PER_PAGE, Page
from chassis.http.next_link import next_link
from chassis.http.problems import PROBLEM_TYPE, Reasons, problem_body
from chassis.http.schemas.page import page_schema

ResponseHeaders = dict[str, Any]
MAX_PAGE_SIZE = 4 * 1024 * 1024  # bytes
SHORT = 32 * 1024  # bytes that a server can buffer, so that sending them does not wait for the client
PIECE = DEFAULT_PER_PAGE  # items that are written at a time
_BEFORE_ITEMS, _AFTER_ITEMS = b'{"items":[', b"]}"


def create_response(
    value: object,
    schema: type[BaseModel],
    status: int = HTTPStatus.OK,
    headers: ResponseHeaders | None = None,
    *,
    max_page_size: int = MAX_PAGE_SIZE,
) -> Response:
    """Return one object or a `Page` of objects as JSON, with the attributes that the schema names.

    A page by cursor has a link to the next one: https://www.rfc-editor.org/rfc/rfc8288

    Raises:
        ValidationError: a page of several objects has more than `max_page_size` bytes, so a client has to ask for less.
    """
    if not isinstance(value, Page):
        return _create(_dump(value, schema), status, headers, "application/json")
    response = _create(_dump_page(value, schema, max_page_size), status, headers, "application/json")
    if value.next_cursor is not None and request:
        response.headers.add("Link", next_link(request.args, value.next_cursor, value.per_page))
    return response


def keep_responses(app: Quart) -> None:
    """Take a `Response` of a view as it is; quart-schema would look for a model in it, at a sixth of Quart's time."""
    convert = app.make_response

    async def make_response(result: Any) -> ResponseTypes:  # noqa: ANN401 - anything that a view may return
        return result if isinstance(result, Response) else await convert(result)

    app.make_response = make_response  # type: ignore[method-assign]  # as quart-schema does


def create_empty_response() -> Response:
    """Return a 204, which has neither a type nor a length: https://www.rfc-editor.org/rfc/rfc9110#section-8.6-8"""
    response = Response(status=HTTPStatus.NO_CONTENT)
    response.timeout = None  # as in `_create`
    response.headers.clear()
    return response


def create_problem(status: int, reasons: Reasons, headers: ResponseHeaders | None = None) -> Response:
    """Return an error with the body that all errors have."""
    instance = request.root_path + request.path if request else None
    return _create(problem_body(status, reasons, instance).encode(), status, headers, PROBLEM_TYPE)


def _create(body: bytes, status: int, headers: ResponseHeaders | None, content_type: str) -> Response:
    """Return a response, without a time limit if it is short, because Quart's costs a task on Python 3.11."""
    response = Response(body, status, headers, content_type=content_type)
    if len(body) <= SHORT:
        response.timeout = None
    return response


def _dump(value: object, schema: type[BaseModel]) -> bytes:
    """Do what `model_dump_json` does, without a text in between."""
    return schema.__pydantic_serializer__.to_json(schema.model_validate(value, from_attributes=True))


def _dump_page(page: Page[Any], schema: type[BaseModel], max_size: int) -> bytes:
    """Write the items piece by piece, and stop at the limit: what is refused is never in memory as a whole."""
    if len(page.items) <= PIECE:
        body = _dump(page, page_schema(schema, itemized=page.itemized, by_cursor=page.by_cursor))
        _require_size(len(body) if len(page.items) > 1 else 0, page, max_size)
        return body
    whole = page_schema(schema, itemized=page.itemized, by_cursor=page.by_cursor)
    frame = _dump(replace(page, items=[]), whole)
    pieces, size = [], len(frame)
    for piece in _dump_pieces(page.items, page_schema(schema, itemized=True)):
        pieces.append(piece)
        size += len(piece) + 1
        _require_size(size, page, max_size)
    return _BEFORE_ITEMS + b",".join(pieces) + frame.removeprefix(_BEFORE_ITEMS)


def _dump_pieces(items: list[Any], schema: type[BaseModel]) -> Iterator[bytes]:
    for start in range(0, len(items), PIECE):
        piece = _dump({"items": items[start : start + PIECE]}, schema)
        yield piece.removeprefix(_BEFORE_ITEMS).removesuffix(_AFTER_ITEMS)


def _require_size(size: int, page: Page[Any], max_size: int) -> None:
    if size > max_size:
        kind, advice = ("list", "one page of it") if page.itemized else ("page", "fewer items with a smaller per_page")
        raise ValidationError(f"The {kind} has more than {max_size} bytes: ask for {advice}.")
