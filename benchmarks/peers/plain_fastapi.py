"""FastAPI as its tutorial on SQL databases shows it: a session per request, ORM models, response models."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from benchmarks.peers.model import Todo, create_sessions
from benchmarks.peers.schemas import TodoCreate, TodoOut, TodoPage, TodoUpdate

app = FastAPI()
sessions = create_sessions()


async def get_session() -> AsyncIterator[AsyncSession]:
    async with sessions() as session:
        yield session


SessionDependency = Annotated[AsyncSession, Depends(get_session)]


@app.get("/health/live")
async def live() -> dict[str, str]:
    return {"status": "ok"}


@app.get("/v1/todo/{todo_id}", response_model=TodoOut)
async def retrieve(todo_id: int, session: SessionDependency) -> Todo:
    return await find(session, todo_id)


@app.get("/v1/todo", response_model=TodoPage)
async def retrieve_page(session: SessionDependency, page: int = 1, per_page: int = 10) -> dict[str, Any]:
    statement = select(Todo).order_by(Todo.id).limit(per_page).offset((page - 1) * per_page)
    items = (await session.scalars(statement)).all()
    total = await session.scalar(select(func.count()).select_from(Todo))
    return {"items": items, "total": total, "page": page, "per_page": per_page}


@app.post("/v1/todo", response_model=TodoOut, status_code=201)
async def create(data: TodoCreate, session: SessionDependency) -> Todo:
    todo = Todo(**data.model_dump())
    session.add(todo)
    await session.commit()
    return todo


@app.patch("/v1/todo/{todo_id}", response_model=TodoOut)
async def update(todo_id: int, data: TodoUpdate, session: SessionDependency) -> Todo:
    todo = await find(session, todo_id)
    for name, value in data.model_dump(exclude_unset=True).items():
        setattr(todo, name, value)
    await session.commit()
    return todo


async def find(session: AsyncSession, todo_id: int) -> Todo:
    todo = await session.get(Todo, todo_id)
    if todo is None:
        raise HTTPException(404, "The requested todo was not found")
    return todo
