"""A repository in memory lets services be tested without a database."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

from chassis.domain.exceptions import NotFoundError
from chassis.domain.pagination import PAGE_PARAMS, Page, PageRequest
from chassis.domain.ports import Entity, Params, RepositoryPort

NO_PARAMS: Params = {}


class FakeRepository(RepositoryPort[Entity]):
    """Keeps the promises of `RepositoryPort` and filters by equality with any attribute of the entity."""

    def __init__(self, entity_class: Callable[..., Entity], **defaults: Any) -> None:
        """Take as `defaults` the values that a database would fill in, for example `created_at`."""
        self.items: dict[int, Entity] = {}
        self._entity_class = entity_class
        self._defaults = defaults
        self._ids = count(1)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        before = dict(self.items)
        try:
            yield
        except BaseException:
            self.items = before
            raise

    async def create(self, data: Params) -> Entity:
        object_id = next(self._ids)
        self.items[object_id] = self._entity_class(**{"id": object_id, **self._defaults, **data})
        return self.items[object_id]

    async def update(self, object_id: int, data: Params) -> Entity:
        self.items[object_id] = self._entity_class(**{**vars(await self.get(object_id)), **data})
        return self.items[object_id]

    async def delete(self, object_id: int) -> None:
        await self.get(object_id)
        del self.items[object_id]

    async def delete_all(self, query_params: Params = NO_PARAMS) -> int:
        matching = self._matching(query_params)
        for object_id in matching:
            del self.items[object_id]
        return len(matching)

    async def get(self, object_id: int) -> Entity:
        if object_id not in self.items:
            msg = "The requested resource was not found"
            raise NotFoundError(msg)
        return self.items[object_id]

    async def find(self, query_params: Params = NO_PARAMS) -> Entity:
        return await self.get(next(iter(self._matching(query_params)), 0))

    async def exists(self, query_params: Params = NO_PARAMS) -> bool:
        return bool(self._matching(query_params))

    async def count(self, query_params: Params = NO_PARAMS) -> int:
        return len(self._matching(query_params))

    async def get_all(self, query_params: Params = NO_PARAMS) -> Page[Entity]:
        request, matching = PageRequest.from_params(query_params), list(self._matching(query_params).values())
        if request.itemized:
            return Page(items=matching, total=len(matching), page=1, per_page=len(matching), itemized=True)
        items = matching[request.offset : request.offset + request.per_page]
        return Page(items=items, total=len(matching), page=request.page, per_page=request.per_page)

    def _matching(self, query_params: Params) -> dict[int, Entity]:
        filters = {name: value for name, value in query_params.items() if name not in PAGE_PARAMS}
        return {key: item for key, item in self.items.items() if filters.items() <= vars(item).items()}
