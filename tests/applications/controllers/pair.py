"""Two writes in one transaction, between which other requests run, and on demand a failure after them."""

from typing import Annotated

from chassis.domain.exceptions import ConflictError
from dependency_injector.wiring import Provide, inject
from quart import Blueprint, request

from src.services.todo_service import TodoService

blueprint = Blueprint("pair", __name__, url_prefix="/pair")


@blueprint.post("/<title>")
@inject
async def pair(title: str, todo_service: Annotated[TodoService, Provide["todo_service"]]) -> dict[str, int]:
    async with todo_service.transaction():
        await todo_service.create({"title": title})
        await todo_service.create({"title": title})
        count = await todo_service.count({"title": title})
        if request.args.get("fail"):
            raise ConflictError("on purpose")
    return {"count": count}
