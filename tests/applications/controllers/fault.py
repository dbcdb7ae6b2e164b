"""Routes for database faults: a look into the connection pool, a statement that hangs, and a transaction."""

from typing import Annotated

from chassis.persistence.database import Database
from dependency_injector.wiring import Provide, inject
from quart import Blueprint
from sqlalchemy import QueuePool, text

from src.services.todo_service import TodoService

blueprint = Blueprint("fault", __name__, url_prefix="/fault")


@blueprint.get("/pool")
@inject
async def pool(database: Annotated[Database, Provide["database"]]) -> dict[str, int]:
    connection_pool = database.engine.pool
    assert isinstance(connection_pool, QueuePool)
    return {"in use": connection_pool.checkedout()}


@blueprint.get("/hang")
@inject
async def hang(database: Annotated[Database, Provide["database"]]) -> dict[str, int]:
    async with database.session() as session:
        await session.execute(text("SELECT pg_sleep(60)"))
    return {}


@blueprint.post("/transaction")
@inject
async def transaction(
    todo_service: Annotated[TodoService, Provide["todo_service"]],
) -> tuple[dict[str, int], int]:
    async with todo_service.transaction():
        todo = await todo_service.create({"title": "transaction"})
        await todo_service.update(todo.id, {"completed": True})
    return {"id": todo.id}, 201
