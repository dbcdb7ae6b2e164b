"""Quart with SQLAlchemy and `jsonify`, without extensions and without validation."""

from datetime import datetime
from typing import Any

from quart import Quart, abort, jsonify, request
from quart.json.provider import DefaultJSONProvider
from quart.typing import ResponseReturnValue
from sqlalchemy import func, select

from benchmarks.peers.model import Todo, create_sessions


class JSONProvider(DefaultJSONProvider):
    """Writes timestamps as ISO 8601, as all others do; Quart would write those of HTTP headers."""

    @staticmethod
    def default(object_: Any) -> Any:
        return object_.isoformat() if isinstance(object_, datetime) else DefaultJSONProvider.default(object_)


class App(Quart):
    json_provider_class = JSONProvider


app = App(__name__)
sessions = create_sessions()


def to_dict(todo: Todo) -> dict[str, Any]:
    return {
        "id": todo.id,
        "title": todo.title,
        "description": todo.description,
        "completed": todo.completed,
        "created_at": todo.created_at,
        "updated_at": todo.updated_at,
    }


@app.get("/health/live")
async def live() -> dict[str, str]:
    return {"status": "ok"}


@app.get("/v1/todo/<int:todo_id>")
async def retrieve(todo_id: int) -> ResponseReturnValue:
    async with sessions() as session:
        todo = await session.get(Todo, todo_id) or abort(404)
        return jsonify(to_dict(todo))


@app.get("/v1/todo")
async def retrieve_page() -> ResponseReturnValue:
    page, per_page = (request.args.get(name, default, int) for name, default in (("page", 1), ("per_page", 10)))
    statement = select(Todo).order_by(Todo.id).limit(per_page).offset((page - 1) * per_page)
    async with sessions() as session:
        items = [to_dict(todo) for todo in await session.scalars(statement)]
        total = await session.scalar(select(func.count()).select_from(Todo))
    return jsonify({"items": items, "total": total, "page": page, "per_page": per_page})


@app.post("/v1/todo")
async def create() -> ResponseReturnValue:
    async with sessions() as session:
        todo = Todo(**await request.get_json())
        session.add(todo)
        await session.commit()
    return jsonify(to_dict(todo)), 201


@app.patch("/v1/todo/<int:todo_id>")
async def update(todo_id: int) -> ResponseReturnValue:
    async with sessions() as session:
        todo = await session.get(Todo, todo_id) or abort(404)
        for name, value in (await request.get_json()).items():
            setattr(todo, name, value)
        await session.commit()
    return jsonify(to_dict(todo))
