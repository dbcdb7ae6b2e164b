"""Every repository has the same operations, most of them one statement; a subclass names its model.

Rows become entities without an instance of the model in between, and a model that is returned is detached:
no lazy load can leave a repository.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from functools import partial
from typing import Any, ClassVar

from sqlalchemy import Connection, delete, update
from typing_extensions import TypeVar

from chassis.domain.exceptions import NotFoundError
from chassis.domain.pagination import Page, PageRequest
from chassis.domain.ports import LOCK_NEEDS_TRANSACTION, Key, Params, RepositoryPort
from chassis.persistence.database import Database
from chassis.persistence.entity_mapping import EntityMapping
from chassis.persistence.keys import is_possible_key
from chassis.persistence.keyset_pages import KeysetPages
from chassis.persistence.queries import Queries, Query
from chassis.persistence.reads import Reads
from chassis.persistence.writes import Writes

Entity = TypeVar("Entity", default=Any)
Result = TypeVar("Result")
NO_PARAMS: Params = {}


class Repository(RepositoryPort[Entity]):
    """Stores rows of the model `base_class`; returns models, or instances of the dataclass `entity_class` if it is set.

    Data and filters use the names of the model's attributes, whatever their columns are called.
    Filters are lookups, see `chassis.domain.lookups`; `_apply_query_params` adds others, and goes first.
    A model is detached when it is returned: it has its deferred columns and all that its mapping loads eagerly,
    and access to any other relationship raises `InvalidRequestError`.
    A field of an entity class may be a relationship: `author: Author`, `author: Author | None` or `books: list[Book]`.

    Raises:
        ConfigurationError: when a repository is made whose model or entity class does not suit it.
        NotFoundError: with `DEFAULT_NOT_FOUND_MESSAGE`; also for a key that cannot exist, such as a text for a UUID.
        TypeError: for a column or a filter that does not exist.
        DomainError, ConcurrentUseError: see `Database.session`.
    """

    base_class: ClassVar[type[Any]]
    entity_class: ClassVar[type[Any] | None] = None
    DEFAULT_NOT_FOUND_MESSAGE: ClassVar[str] = "The requested resource was not found"
    MAX_ITEMIZED: ClassVar[int] = 1000  # the longest list without pages: its size must not depend on the data

    def __init__(self, database: Database) -> None:
        self.database = database
        self._mapping = self.create_mapping()
        self._queries = Queries(type(self).__name__, self._mapping, self._apply_query_params)
        self._reads = Reads[Entity](self._mapping, self._queries.everything)
        self._writes = Writes[Entity](self._mapping, self._reads)

    @classmethod
    def create_mapping(cls) -> EntityMapping:
        """Compare the model with the entity class, which needs no database.

        Raises:
            ConfigurationError: they do not fit.
        """
        return EntityMapping(cls.__name__, getattr(cls, "base_class", None), cls.entity_class)

    def transaction(self) -> AbstractAsyncContextManager[None]:
        return self.database.transaction()

    async def create(self, data: Params) -> Entity:
        return self._first(await self._store(partial(self._writes.create, self._mapping.to_columns(data))))

    async def create_many(self, rows: Sequence[Params]) -> list[Entity]:
        """Create all rows or none, by one INSERT for rows that name the same columns; return them in their order."""
        groups = self._writes.bulk_insert.group([self._mapping.to_columns(row) for row in rows])
        single = self._writes.bulk_insert.is_one_statement(groups)
        return await self._store(partial(self._writes.create_many, groups), single=single)

    async def update(self, object_id: Key, data: Params) -> Entity:
        """Change the columns that `data` names and no others."""
        if not data:
            return await self.get(object_id)
        self._require_possible(object_id)
        row = self._mapping.to_columns(data)
        return self._first(await self._store(partial(self._writes.update, object_id, row)))

    async def delete(self, object_id: Key) -> None:
        self._require_possible(object_id)
        if not await self.database.run(partial(self._writes.delete, object_id)):
            raise NotFoundError(self.DEFAULT_NOT_FOUND_MESSAGE)

    async def update_all(self, query_params: Params, data: Params) -> int:
        """Change the columns that `data` names in the matching rows, or in all rows without parameters."""
        conditions = self._queries.conditions(query_params, "update_all")
        if not data:
            return await self.count(query_params)
        statement = update(self.base_class).where(*conditions).values(self._mapping.to_columns(data))
        return await self.database.run(partial(self._writes.change, statement))

    async def delete_all(self, query_params: Params = NO_PARAMS) -> int:
        """Delete the matching rows, or all rows without parameters; return their number."""
        statement = delete(self.base_class).where(*self._queries.conditions(query_params, "delete_all"))
        return await self.database.run(partial(self._writes.change, statement))

    async def get(self, object_id: Key, *, for_update: bool = False) -> Entity:
        """Return the row; with `for_update`, lock it until the running transaction ends.

        Raises:
            RuntimeError: `for_update` outside of a transaction, where the lock would be released at once.
        """
        self._require_possible(object_id)
        if for_update and not self.database.in_transaction:
            raise RuntimeError(LOCK_NEEDS_TRANSACTION)
        read = self._reads.get_and_lock if for_update else self._reads.get
        return self._first(await self.database.run_read(partial(read, object_id)))

    async def find(self, query_params: Params = NO_PARAMS) -> Entity:
        """Return the first match in the order of `sort`, or else of ids."""
        listing = self._queries.listing(query_params)
        return self._first(await self.database.run_read(partial(self._reads.first, listing, 1)))

    async def exists(self, query_params: Params = NO_PARAMS) -> bool:
        return await self.database.run_read(partial(self._reads.exists, self._queries.matching(query_params)))

    async def count(self, query_params: Params = NO_PARAMS) -> int:
        return await self.database.run_read(partial(self._reads.count, self._queries.matching(query_params)))

    async def get_all(self, query_params: Params = NO_PARAMS) -> Page[Entity]:
        """Return the matches in the order of `sort`: one page of them, or with `itemized` all, up to `MAX_ITEMIZED`.

        A page is that which `page` and `per_page` name, or with `cursor` the one after the row of the cursor.

        Raises:
            ValidationError: the cursor is altered, or belongs to another list, order or filters.
        """
        request, listing = PageRequest.from_params(query_params), self._queries.listing(query_params)
        if request.cursor is not None:
            read = partial(self._reads.page_by_cursor, KeysetPages(listing, query_params), request)
        elif request.itemized:
            read = partial(self._reads.itemized, listing, self.MAX_ITEMIZED)
        else:
            read = partial(self._reads.page, listing, request)
        return await self.database.run_read(read)

    def get_query_param(self, key: str, query_params: Params, default: Any = None) -> Any:  # noqa: ANN401 - a value of any type
        return query_params.get(key, default)

    def _apply_query_params(self, query: Query, query_params: Params) -> Query:
        """Filter the query by parameters that are not lookups, read with `get_query_param`.

        A parameter that is read here is not applied as a lookup, nor `sort` as an order.
        """
        return query

    async def _store(self, work: Callable[[Connection], Result], *, single: bool = True) -> Result:
        """Write one row or several; if anything fails, nothing is stored."""
        single = single and not self._mapping.may_fail_after_write
        async with nullcontext() if single or self.database.in_transaction else self.database.transaction():
            return await self.database.run(work)

    def _require_possible(self, object_id: Key) -> None:
        if not is_possible_key(object_id, self._mapping.key.type):
            raise NotFoundError(self.DEFAULT_NOT_FOUND_MESSAGE)

    def _first(self, found: Sequence[Entity]) -> Entity:
        if not found:
            raise NotFoundError(self.DEFAULT_NOT_FOUND_MESSAGE)
        return found[0]
