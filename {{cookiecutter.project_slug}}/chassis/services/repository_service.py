"""The use cases that every entity has; a service adds its own rules."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Generic

from typing_extensions import TypeVar

from chassis.domain.pagination import Page
from chassis.domain.ports import Key, Params, RepositoryPort

Entity = TypeVar("Entity", default=Any)
NO_PARAMS: Params = {}


class RepositoryService(Generic[Entity]):
    """Offers the operations of its repository; `RepositoryPort` states what each promises."""

    def __init__(self, repository: RepositoryPort[Entity]) -> None:
        self.repository = repository

    def transaction(self) -> AbstractAsyncContextManager[None]:
        return self.repository.transaction()

    async def create(self, data: Params) -> Entity:
        return await self.repository.create(data)

    async def create_many(self, rows: Sequence[Params]) -> list[Entity]:
        return await self.repository.create_many(rows)

    async def update(self, object_id: Key, data: Params) -> Entity:
        return await self.repository.update(object_id, data)

    async def update_all(self, query_params: Params, data: Params) -> int:
        return await self.repository.update_all(query_params, data)

    async def delete(self, object_id: Key) -> None:
        await self.repository.delete(object_id)

    async def delete_all(self, query_params: Params = NO_PARAMS) -> int:
        return await self.repository.delete_all(query_params)

    async def get(self, object_id: Key, *, for_update: bool = False) -> Entity:
        return await self.repository.get(object_id, for_update=for_update)

    async def find(self, query_params: Params = NO_PARAMS) -> Entity:
        return await self.repository.find(query_params)

    async def exists(self, query_params: Params = NO_PARAMS) -> bool:
        return await self.repository.exists(query_params)

    async def count(self, query_params: Params = NO_PARAMS) -> int:
        return await self.repository.count(query_params)

    async def get_all(self, query_params: Params = NO_PARAMS) -> Page[Entity]:
        return await self.repository.get_all(query_params)
