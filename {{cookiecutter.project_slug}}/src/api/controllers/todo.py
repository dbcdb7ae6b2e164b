from http import HTTPStatus
from typing import Annotated

from dependency_injector.wiring import Provide, inject
from quart import Blueprint, ResponseReturnValue, request
from quart_schema import document_querystring, document_response, tag_blueprint, validate_request

from src.api.requests import given
from src.api.responses import create_empty_response, create_response
from src.api.schemas.page import PageSchema
from src.api.schemas.todo import TodoCreateSchema, TodoQuery, TodoSchema, TodoUpdateSchema
from src.services.todo_service import TodoService

blueprint = Blueprint("todo", __name__, url_prefix="/v1")
tag_blueprint(blueprint, ["todo"])

Service = Annotated[TodoService, Provide["todo_service"]]


@blueprint.post("/todo")
@validate_request(TodoCreateSchema)
@document_response(TodoSchema, HTTPStatus.CREATED)
@inject
async def create_todo(data: TodoCreateSchema, todo_service: Service) -> ResponseReturnValue:
    return create_response(await todo_service.create(given(data)), TodoSchema, HTTPStatus.CREATED)


@blueprint.get("/todo/<int:todo_id>")
@document_response(TodoSchema)
@inject
async def retrieve_todo(todo_id: int, todo_service: Service) -> ResponseReturnValue:
    return create_response(await todo_service.get(todo_id), TodoSchema)


@blueprint.get("/todo")
@document_querystring(TodoQuery)
@document_response(PageSchema[TodoSchema])
@inject
async def list_todos(todo_service: Service) -> ResponseReturnValue:
    return create_response(await todo_service.get_all(request.args), TodoSchema)


@blueprint.patch("/todo/<int:todo_id>")
@validate_request(TodoUpdateSchema)
@document_response(TodoSchema)
@inject
async def update_todo(todo_id: int, data: TodoUpdateSchema, todo_service: Service) -> ResponseReturnValue:
    return create_response(await todo_service.update(todo_id, given(data)), TodoSchema)


@blueprint.delete("/todo/<int:todo_id>")
@inject
async def delete_todo(todo_id: int, todo_service: Service) -> ResponseReturnValue:
    await todo_service.delete(todo_id)
    return create_empty_response()
