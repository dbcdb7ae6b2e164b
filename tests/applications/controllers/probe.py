"""Routes that the HTTP contract is tested with: a failure, URLs that the application builds, and a websocket."""

from quart import Blueprint, url_for, websocket

blueprint = Blueprint("probe", __name__, url_prefix="/probe")


@blueprint.get("/failure")
async def failure() -> str:
    password = "hunter2".upper()
    raise RuntimeError("a reason that is nobody's business", len(password))


@blueprint.get("/urls")
async def urls() -> dict[str, str]:
    return {
        "path": url_for("todo.retrieve_todo", todo_id=1),
        "url": url_for("todo.retrieve_todo", todo_id=1, _external=True),
    }


@blueprint.websocket("/echo")
async def echo() -> None:
    while True:
        await websocket.send(await websocket.receive())
