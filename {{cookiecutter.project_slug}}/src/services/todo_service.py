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
        """Give the todo the first title and create one for each other title; if one is blank, nothing changes."""
        first, *others = titles
        async with self.transaction():
            todo = await self.update(todo_id, {"title": first})
            return [todo, *[await self.create({"title": title}) for title in others]]
