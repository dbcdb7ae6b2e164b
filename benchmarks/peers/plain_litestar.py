"""Litestar with advanced-alchemy's repository and service, as the documentation of the latter shows them."""

import os
from datetime import datetime
from typing import Any

import msgspec
from advanced_alchemy.extensions.litestar import (
    AsyncSessionConfig,
    EngineConfig,
    SQLAlchemyAsyncConfig,
    SQLAlchemyPlugin,
    filters,
    providers,
    repository,
    service,
)
from litestar import Controller, Litestar, get, patch, post

from benchmarks.peers.model import Todo


class TodoOut(msgspec.Struct):
    id: int
    title: str
    description: str | None
    completed: bool
    created_at: datetime
    updated_at: datetime | None


class TodoPage(msgspec.Struct):
    items: list[TodoOut]
    total: int
    page: int
    per_page: int


class TodoCreate(msgspec.Struct):
    title: str
    description: str | None = None
    completed: bool = False


class TodoUpdate(msgspec.Struct):
    title: str | msgspec.UnsetType = msgspec.UNSET
    description: str | msgspec.UnsetType | None = msgspec.UNSET
    completed: bool | msgspec.UnsetType = msgspec.UNSET


class TodoService(service.SQLAlchemyAsyncRepositoryService[Todo]):
    """The operations of the library, on todos."""

    class Repo(repository.SQLAlchemyAsyncRepository[Todo]):
        model_type = Todo

    repository_type = Repo


class TodoController(Controller):
    dependencies = providers.create_service_dependencies(TodoService, "todos")

    @get("/v1/todo/{todo_id:int}")
    async def retrieve(self, todos: TodoService, todo_id: int) -> TodoOut:
        return todos.to_schema(await todos.get(todo_id), schema_type=TodoOut)

    @get("/v1/todo")
    async def retrieve_page(self, todos: TodoService, page: int = 1, per_page: int = 10) -> TodoPage:
        limit = filters.LimitOffset(per_page, (page - 1) * per_page)
        rows, total = await todos.list_and_count(limit, order_by=("id", False))
        items = [todos.to_schema(row, schema_type=TodoOut) for row in rows]
        return TodoPage(items=items, total=total, page=page, per_page=per_page)

    @post("/v1/todo")
    async def create(self, todos: TodoService, data: TodoCreate) -> TodoOut:
        return todos.to_schema(await todos.create(data), schema_type=TodoOut)

    @patch("/v1/todo/{todo_id:int}")
    async def update(self, todos: TodoService, todo_id: int, data: TodoUpdate) -> TodoOut:
        return todos.to_schema(await todos.update(data, item_id=todo_id), schema_type=TodoOut)


@get("/health/live")
async def live() -> dict[str, Any]:
    return {"status": "ok"}


alchemy = SQLAlchemyAsyncConfig(
    connection_string=os.environ["SQLALCHEMY_DATABASE_URI"],
    engine_config=EngineConfig(pool_size=10, max_overflow=0),
    session_config=AsyncSessionConfig(expire_on_commit=False),
    before_send_handler="autocommit",
)
app = Litestar([TodoController, live], plugins=[SQLAlchemyPlugin(alchemy)])
