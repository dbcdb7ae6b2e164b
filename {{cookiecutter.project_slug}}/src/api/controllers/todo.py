from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from dependency_injector.wiring import Provide, inject
from pydantic import BaseModel, Field
from quart import Blueprint, ResponseReturnValue
from quart_schema import document_response, tag_blueprint, validate_request

from chassis.http.crud import register_crud
from chassis.http.responses import create_response
from chassis.http.schemas import BodySchema, ItemsSchema, PageQuery, Text, VisibleText, unset
from src.domain.todo import DESCRIPTION_LENGTH, TITLE_LENGTH
from src.services.todo_service import TodoService

blueprint = Blueprint("todo", __name__, url_prefix="/v1")
tag_blueprint(blueprint, ["todo"])

InjectedTodoService = Annotated[TodoService, Provide["todo_service"]]
Title = Annotated[VisibleText, Field(max_length=TITLE_LENGTH)]
Description = Annotated[Text, Field(max_length=DESCRIPTION_LENGTH)]


class TodoSchema(BaseModel):
    id: int
    title: str
    description: str | None
    completed: bool
    created_at: datetime
    updated_at: datetime | None


class TodoCreateSchema(BodySchema):
    title: Title
    description: Description | None = None
    completed: bool = False


class TodoUpdateSchema(BodySchema):
    """A field that is left out stays as it is."""

    title: Title = unset()
    description: Description | None = unset()
    completed: bool = unset()


class TodoSplitSchema(BodySchema):
    titles: list[Title] = Field(min_length=1, max_length=20)


class TodoQuery(PageQuery):
    title: Text | None = Field(default=None, description="Only todos with exactly this title.")


register_crud(
    blueprint,
    "todo",
    plural="todos",
    schema=TodoSchema,
    create=TodoCreateSchema,
    update=TodoUpdateSchema,
    query=TodoQuery,
)


@blueprint.post("/todo/<int:todo_id>/split")
@validate_request(TodoSplitSchema)
@document_response(ItemsSchema[TodoSchema], HTTPStatus.CREATED)
@inject
async def split_todo(todo_id: int, data: TodoSplitSchema, todo_service: InjectedTodoService) -> ResponseReturnValue:
    parts = await todo_service.split(todo_id, data.titles)
    return create_response({"items": parts}, ItemsSchema[TodoSchema], HTTPStatus.CREATED)
