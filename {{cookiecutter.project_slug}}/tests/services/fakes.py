"""A repository in memory: services are tested without a database."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from itertools import count
from types import SimpleNamespace
from typing import Any

from src.domain.exceptions import NotFoundError
from src.domain.pagination import Page, PageRequest
from src.domain.ports import RepositoryPort

Params = Mapping[str, Any]


class FakeRepository(RepositoryPort[SimpleNamespace]):
    def __init__(self) -> None:
        self.items: dict[int, SimpleNamespace] = {}
        self.committed = 0
        self._ids = count(1)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        before = dict(self.items)
        try:
            yield
        except BaseException:
            self.items = before
            raise
        self.committed += 1

    async def create(self, data: Params) -> SimpleNamespace:
        item = SimpleNamespace(id=next(self._ids), **data)
        self.items[item.id] = item
        return item

    async def update(self, object_id: int, data: Params) -> SimpleNamespace:
        item = SimpleNamespace(**{**vars(await self.get(object_id)), **data})
        self.items[object_id] = item
        return item

    async def delete(self, object_id: int) -> None:
        del self.items[(await self.get(object_id)).id]

    async def delete_all(self, query_params: Params) -> int:
        matching = self._matching(query_params)
        for item in matching:
            del self.items[item.id]
        return len(matching)

    async def get(self, object_id: int) -> SimpleNamespace:
        if object_id not in self.items:
            msg = "not found"
            raise NotFoundError(msg)
        return self.items[object_id]

    async def find(self, query_params: Params) -> SimpleNamespace:
        for item in self._matching(query_params):
            return item
        msg = "not found"
        raise NotFoundError(msg)

    async def exists(self, query_params: Params) -> bool:
        return bool(self._matching(query_params))

    async def count(self, query_params: Params) -> int:
        return len(self._matching(query_params))

    async def get_all(self, query_params: Params) -> Page[SimpleNamespace]:
        request, matching = PageRequest.of(query_params), self._matching({})
        items = matching[request.offset : request.offset + request.per_page]
        return Page(items=items, total=len(matching), page=request.page, per_page=request.per_page)

    def _matching(self, query_params: Params) -> list[SimpleNamespace]:
        return [item for item in self.items.values() if query_params.items() <= vars(item).items()]
