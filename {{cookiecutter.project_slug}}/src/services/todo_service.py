from collections.abc import Mapping, Sequence
from typing import Any

from src.domain.todo import Todo, require_title
from src.services.repository_service import RepositoryService


class TodoService(RepositoryService[Todo]):
    """The use cases that have rules of their own; the others are inherited."""

    async def create(self, data: Mapping[str, Any]) -> Todo:
        require_title(data["title"])
        return await super().create(data)

    async def update(self, object_id: int, data: Mapping[str, Any]) -> Todo:
        if "title" in data:
            require_title(data["title"])
        return await super().update(object_id, data)

    async def split(self, todo_id: int, titles: Sequence[str]) -> list[Todo]:
        """Replace a todo by one for each title, in one transaction: if one of them is blank, nothing changes."""
        async with self.transaction():
            todo = await self.get(todo_id)
            parts = [await self.create({"title": title, "description": todo.description}) for title in titles]
            await self.delete(todo_id)
        return parts
