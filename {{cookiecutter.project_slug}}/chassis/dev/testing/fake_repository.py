"""A repository in memory lets services be tested without a database."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from copy import deepcopy
from dataclasses import fields, is_dataclass, replace
from functools import partial
from itertools import count
from typing import Any, cast

from chassis.dev.testing.memory_lookups import follows, matches, sort_items, values_of
from chassis.dev.testing.memory_transactions import before_first_write, in_memory_transaction, memory_transaction
from chassis.domain.cursor import cursor_scope, read_cursor, write_cursor
from chassis.domain.exceptions import ConflictError, NotFoundError
from chassis.domain.lookups import read_lookups
from chassis.domain.pagination import PAGE_PARAMS, Page, PageRequest
from chassis.domain.ports import LOCK_NEEDS_TRANSACTION, Entity, Key, Params, RepositoryPort
from chassis.domain.query_params import ReadParams
from chassis.domain.sorting import SortField, read_sort

NO_PARAMS: Params = {}


class FakeRepository(RepositoryPort[Entity]):
    """Keeps the promises of `RepositoryPort`, and filters and sorts by any attribute of the entity.

    As with a database, an entity that was returned can be changed without a change of what is stored.
    It knows no constraints except that of the key.
    """

    def __init__(self, entity_class: Callable[..., Entity], *, key_name: str = "id", **defaults: Any) -> None:
        """Take as `defaults` the values that a database would fill in, or functions that return them.

        `FakeRepository(Book, created_at=some_moment, tags=list)`; with `id=uuid7` keys are UUIDs instead of numbers.
        """
        self.items: dict[Key, Entity] = {}
        self._entity_class = entity_class
        self._key_name = key_name
        self._defaults = {key_name: partial(next, count(1)), **defaults}

    def transaction(self) -> AbstractAsyncContextManager[None]:
        return memory_transaction()

    async def create(self, data: Params) -> Entity:
        missing = {name: default for name, default in self._defaults.items() if name not in data}
        made = {name: default() if callable(default) else default for name, default in missing.items()}
        return self._store(self._entity_class(**deepcopy({**made, **data})))

    async def create_many(self, rows: Sequence[Params]) -> list[Entity]:
        async with self.transaction():
            return [await self.create(row) for row in rows]

    async def update(self, object_id: Key, data: Params) -> Entity:
        return self._change(object_id, data)

    async def update_all(self, query_params: Params, data: Params) -> int:
        keys = self._keys_to_change(query_params, "update_all")
        async with self.transaction():
            for key in keys:
                self._change(key, data)
        return len(keys)

    async def delete(self, object_id: Key) -> None:
        await self.get(object_id)
        self._remember()
        del self.items[object_id]

    async def delete_all(self, query_params: Params = NO_PARAMS) -> int:
        keys = self._keys_to_change(query_params, "delete_all")
        self._remember()
        for key in keys:
            del self.items[key]
        return len(keys)

    async def get(self, object_id: Key, *, for_update: bool = False) -> Entity:
        if for_update and not in_memory_transaction():
            raise RuntimeError(LOCK_NEEDS_TRANSACTION)
        return deepcopy(self._find(object_id))

    async def find(self, query_params: Params = NO_PARAMS) -> Entity:
        params = ReadParams(query_params)
        matching = sort_items(self._matching(params), self._order(params))
        if not matching:
            raise _not_found()
        return deepcopy(matching[0])

    async def exists(self, query_params: Params = NO_PARAMS) -> bool:
        return bool(self._matching(ReadParams(query_params)))

    async def count(self, query_params: Params = NO_PARAMS) -> int:
        return len(self._matching(ReadParams(query_params)))

    async def get_all(self, query_params: Params = NO_PARAMS) -> Page[Entity]:
        request, params = PageRequest.from_params(query_params), ReadParams(query_params)
        matching = self._matching(params)
        order = self._order(params)
        found = deepcopy(sort_items(matching, order))
        if request.cursor is not None:
            return self._page_by_cursor(found, order, request, query_params)
        if request.itemized:
            return Page(items=found, total=len(found), page=1, per_page=len(found), itemized=True)
        items = found[request.offset : request.offset + request.per_page]
        return Page(items=items, total=len(found), page=request.page, per_page=request.per_page)

    def _apply_query_params(self, items: list[Entity], query_params: Params) -> list[Entity]:
        """Filter by parameters that are not lookups; override it together with that of the repository."""
        return items

    def _matching(self, params: ReadParams) -> list[Entity]:
        items = self._apply_query_params(list(self.items.values()), params)
        lookups = read_lookups(params.filters(), self._is_field, type(self).__name__)
        return [item for item in items if all(matches(item, lookup) for lookup in lookups)]

    def _order(self, params: ReadParams) -> tuple[SortField, ...]:
        return read_sort(params.sort(), self._key_name, self._is_field, type(self).__name__)

    def _page_by_cursor(
        self, found: list[Entity], order: Sequence[SortField], request: PageRequest, query_params: Params
    ) -> Page[Entity]:
        filters = {name: query_params[name] for name in query_params if name not in PAGE_PARAMS}
        scope = cursor_scope(f"{type(self).__name__} {self._entity_class}", order, filters)
        if request.cursor != "":
            values = read_cursor(request.cursor, scope, len(order))
            found = [item for item in found if follows(item, values, order)]
        items = found[: request.per_page]
        next_cursor = write_cursor(values_of(items[-1], order), scope) if len(found) > len(items) else None
        per_page = request.per_page
        return Page(items=items, total=None, page=1, per_page=per_page, by_cursor=True, next_cursor=next_cursor)

    def _is_field(self, name: str) -> bool:
        """Return whether the entity has the attribute; only a dataclass says which ones it has."""
        if not is_dataclass(self._entity_class):
            return "__" not in name
        known = {field.name for field in fields(self._entity_class)}
        return name in known or isinstance(getattr(self._entity_class, name, None), property)

    def _keys_to_change(self, query_params: Params, operation: str) -> list[Key]:
        params, everything = ReadParams(query_params), list(self.items.values())
        if query_params and self._apply_query_params(everything, params) is everything and not params.filters():
            msg = f"{query_params} filters nothing, and without parameters `{operation}()` concerns everything"
            raise TypeError(msg)
        return [getattr(item, self._key_name) for item in self._matching(ReadParams(query_params))]

    def _find(self, key: Key) -> Entity:
        if key not in self.items:
            raise _not_found()
        return self.items[key]

    def _change(self, key: Key, data: Params) -> Entity:
        entity, changes = self._find(key), deepcopy(dict(data))
        if is_dataclass(entity) and not isinstance(entity, type):
            changed = cast("Entity", replace(entity, **changes))
        else:
            changed = self._entity_class(**{**vars(entity), **changes})
        return self._store(changed, instead_of=key)

    def _store(self, entity: Entity, *, instead_of: Key = None) -> Entity:
        key = getattr(entity, self._key_name)
        if key in self.items and key != instead_of:
            raise ConflictError({self._key_name: "already exists"})
        self._remember()
        if key != instead_of:
            self.items.pop(instead_of, None)
        self.items[key] = entity
        return deepcopy(entity)

    def _remember(self) -> None:
        before_first_write(self, lambda: partial(setattr, self, "items", dict(self.items)))


def _not_found() -> NotFoundError:
    return NotFoundError("The requested resource was not found")
