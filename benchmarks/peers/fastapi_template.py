"""FastAPI in the style of s3rius/FastAPI-template: a session dependency that commits, DAO classes, DTOs.

https://github.com/s3rius/FastAPI-template
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from benchmarks.peers.model import Todo, create_sessions
from benchmarks.peers.schemas import TodoCreate, TodoOut, TodoPage, TodoUpdate

router = APIRouter()


async def get_db_session(request: Request) -> AsyncGenerator[AsyncSession, None]:
    """Give a session to a request, and commit after its view."""
    session: AsyncSession = request.app.state.db_session_factory()
    try:
        yield session
    finally:
        await session.commit()
        await session.close()


class TodoDAO:
    """Reads and writes todos."""

    def __init__(self, session: Annotated[AsyncSession, Depends(get_db_session)]) -> None:
        self.session = session

    async def get(self, todo_id: int) -> Todo:
        todo = await self.session.get(Todo, todo_id)
        if todo is None:
            raise HTTPException(404, "The requested todo was not found")
        return todo

    async def get_page(self, limit: int, offset: int) -> list[Todo]:
        rows = await self.session.execute(select(Todo).order_by(Todo.id).limit(limit).offset(offset))
        return list(rows.scalars().fetchall())

    async def count(self) -> int:
        return await self.session.scalar(select(func.count()).select_from(Todo)) or 0

    async def create(self, values: dict[str, Any]) -> Todo:
        todo = Todo(**values)
        self.session.add(todo)
        await self.session.flush()
        return todo

    async def update(self, todo_id: int, values: dict[str, Any]) -> Todo:
        todo = await self.get(todo_id)
        for name, value in values.items():
            setattr(todo, name, value)
        await self.session.flush()
        return todo


InjectedDAO = Annotated[TodoDAO, Depends()]


@router.get("/health/live")
def live() -> dict[str, str]:
    return {"status": "ok"}


@router.get("/v1/todo/{todo_id}", response_model=TodoOut)
async def retrieve(todo_id: int, dao: InjectedDAO) -> Todo:
    return await dao.get(todo_id)


@router.get("/v1/todo", response_model=TodoPage)
async def retrieve_page(dao: InjectedDAO, page: int = 1, per_page: int = 10) -> dict[str, Any]:
    items = await dao.get_page(per_page, (page - 1) * per_page)
    return {"items": items, "total": await dao.count(), "page": page, "per_page": per_page}


@router.post("/v1/todo", response_model=TodoOut, status_code=201)
async def create(data: TodoCreate, dao: InjectedDAO) -> Todo:
    return await dao.create(data.model_dump())


@router.patch("/v1/todo/{todo_id}", response_model=TodoOut)
async def update(todo_id: int, data: TodoUpdate, dao: InjectedDAO) -> Todo:
    return await dao.update(todo_id, data.model_dump(exclude_unset=True))


@asynccontextmanager
async def lifespan(application: FastAPI) -> AsyncGenerator[None, None]:
    application.state.db_session_factory = create_sessions()
    yield


app = FastAPI(lifespan=lifespan)
app.include_router(router)
