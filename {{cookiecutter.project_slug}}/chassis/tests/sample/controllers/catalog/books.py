"""A controller that uses every type of `chassis.http.schemas`, and every kind of route and parameter.

It stores nothing: a list has one book, and there is no page after the first one.
"""

import enum
from datetime import UTC, datetime
from decimal import Decimal as PythonDecimal
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, Field
from quart import Blueprint, ResponseReturnValue, websocket
from quart_schema import DataSource, document_response, validate_querystring, validate_request
from quart_schema.pydantic import File

from chassis.domain.exceptions import ValidationError
from chassis.domain.pagination import Page, PageRequest
from chassis.http.responses import create_empty_response, create_response
from chassis.http.schemas import (
    BodySchema,
    Cursor,
    CursorPageSchema,
    Date,
    Decimal,
    Email,
    FormSchema,
    Id,
    Json,
    Moment,
    PageQuery,
    Text,
    Url,
    sort_by,
    unset,
)

blueprint = Blueprint("books", __name__, url_prefix="/catalog")
BOOK_ID = UUID("0199b6a0-0000-7000-8000-000000000001")
Price = Annotated[Decimal, Field(max_digits=10, decimal_places=2, ge=0)]


class Binding(enum.Enum):
    SOFT = "soft"
    HARD = "hard"


class ChapterSchema(BodySchema):
    title: Text
    pages: tuple[Id, Id]


class BookCreateSchema(BodySchema):
    title: Text
    author_id: Id
    binding: Binding
    price: Price
    weight: float = Field(default=0, ge=0)
    published: Date | None = None
    sold_at: Moment | None = None
    series: UUID | None = None
    publisher: Email | None = None
    website: Url | None = None
    tags: set[Text] = Field(default=set(), max_length=3)
    chapters: list[ChapterSchema] = Field(default=[], max_length=2)
    extra: Json = None


class BookUpdateSchema(BodySchema):
    binding: Binding = unset()
    price: Price | None = unset()


class BookSchema(BaseModel):
    id: UUID = BOOK_ID
    title: Text = "A book"
    author_id: Id = 1
    binding: Binding = Binding.SOFT
    price: Price | None = PythonDecimal("12.50")
    published: Date | None = None
    sold_at: Moment | None = datetime(2026, 1, 31, 22, tzinfo=UTC)
    tags: set[Text] = set()
    extra: Json = None


class CoverSchema(FormSchema):
    title: Text
    width: int | None = Field(default=None, ge=1)
    bindings: list[Binding] = Field(default=[])
    files: list[File] = Field(default=[])


class BookQuery(PageQuery):
    author_id: Id | None = None
    author_id__in: list[Id] | None = None
    title__icontains: Text | None = None
    tag: list[Text] | None = None
    binding: Binding | None = None
    published__gte: Date | None = None
    price__lt: Price | None = None
    series: UUID | None = None
    sold_at__isnull: bool | None = None
    sort: str | None = sort_by("title", "published", "price")
    cursor: Cursor | None = None


@blueprint.post("/books")
@validate_request(BookCreateSchema)
@document_response(BookSchema, HTTPStatus.CREATED)
async def create_book(data: BookCreateSchema) -> ResponseReturnValue:
    return create_response(data.sent_values(), BookSchema, HTTPStatus.CREATED)


@blueprint.get("/books")
@validate_querystring(BookQuery)
@document_response(CursorPageSchema[BookSchema])
async def list_books(query_args: BookQuery) -> ResponseReturnValue:
    return create_response(_list(query_args.params()), BookSchema)


@blueprint.patch("/books/<uuid:book_id>")
@validate_request(BookUpdateSchema)
@document_response(BookSchema)
async def update_book(book_id: UUID, data: BookUpdateSchema) -> ResponseReturnValue:
    return create_response({"id": book_id, **data.sent_values()}, BookSchema)


@blueprint.post("/books/<uuid:book_id>/cover")
@validate_request(CoverSchema, source=DataSource.FORM_MULTIPART)
async def upload_cover(book_id: UUID, data: CoverSchema) -> ResponseReturnValue:
    del book_id, data
    return create_empty_response()


@blueprint.get("/shelves/<any(east, west):side>/<float:height>/<string(length=2):code>/<path:place>")
async def read_shelf(side: str, height: float, code: str, place: str) -> ResponseReturnValue:
    del side, height, code, place
    return create_empty_response()


@blueprint.websocket("/books/<uuid:book_id>/news")
async def send_news(book_id: UUID) -> None:
    await websocket.send(str(book_id))


def _list(params: dict[str, Any]) -> Page[BookSchema]:
    request, cursor = PageRequest.from_params(params), params.get("cursor")
    if cursor:
        raise ValidationError({"cursor": "does not belong to this list"})
    return Page(
        items=[BookSchema()],
        total=None if cursor == "" else 1,
        page=request.page,
        per_page=request.per_page,
        itemized=request.itemized and cursor is None,
        by_cursor=cursor == "",
    )
