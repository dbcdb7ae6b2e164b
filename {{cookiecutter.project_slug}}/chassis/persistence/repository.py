"""The operations that every repository has, one statement each; a subclass names its model and its filters.

Rows become entities without an instance of the model in between, and a model that is returned is detached:
no lazy load can leave a repository.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, ClassVar, cast

from sqlalchemy import (
    ColumnElement,
    CursorResult,
    Delete,
    Row,
    Select,
    bindparam,
    delete,
    func,
    insert,
    inspect,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import BigInteger, Integer
from typing_extensions import TypeVar

from chassis.domain.exceptions import NotFoundError, ValidationError
from chassis.domain.pagination import PAGE_PARAMS, Page, PageRequest
from chassis.domain.ports import Key, Params, RepositoryPort
from chassis.persistence.database import Database

Entity = TypeVar("Entity", default=Any)
Query = Select[Any]
NO_PARAMS: Params = {}


class Repository(RepositoryPort[Entity]):
    """A collection over `base_class`, the model; with `entity_class`, a domain dataclass, it returns those.

    Raises:
        NotFoundError: with `DEFAULT_NOT_FOUND_MESSAGE`.
        TypeError: for a column or a filter that does not exist.
        DomainError, ConcurrentUseError: see `Database.session`.
    """

    base_class: ClassVar[type[Any]]
    entity_class: ClassVar[type[Any] | None] = None
    DEFAULT_NOT_FOUND_MESSAGE: ClassVar[str] = "The requested resource was not found"
    MAX_ITEMIZED: ClassVar[int] = 1000  # the longest list without pages: its size must not depend on the data

    def __init__(self, database: Database) -> None:
        self.database = database
        mapper = inspect(self.base_class)
        (self._key,) = mapper.primary_key
        self._attributes = frozenset(mapper.column_attrs.keys())
        self._selection = self._columns()
        self._select = select(*self._selection)
        # A number beyond the range of the column is the key of no row, not an error.
        self._key_type = BigInteger() if isinstance(self._key.type, Integer) else self._key.type
        self._get = self._select.where(self._key == bindparam("object_id", type_=self._key_type))
        self._insert = insert(self.base_class).returning(*self._selection)

    def transaction(self) -> AbstractAsyncContextManager[None]:
        return self.database.transaction()

    async def create(self, data: Params) -> Entity:
        values = self._require_columns(data)
        async with self.database.session() as session:
            return self._to_entity((await session.execute(self._insert, [values])).one(), session)

    async def update(self, object_id: Key, data: Params) -> Entity:
        """Change the columns that `data` names and no others."""
        if not data:
            return await self.get(object_id)
        statement = (
            update(self.base_class)
            .where(self._has_key(object_id))
            .values(self._require_columns(data))
            .returning(*self._selection)
            .execution_options(synchronize_session=False)
        )
        async with self.database.session() as session:
            return self._first([self._to_entity(row, session) for row in await session.execute(statement)])

    async def delete(self, object_id: Key) -> None:
        if not await self._delete(delete(self.base_class).where(self._has_key(object_id))):
            raise NotFoundError(self.DEFAULT_NOT_FOUND_MESSAGE)

    async def delete_all(self, query_params: Params = NO_PARAMS) -> int:
        """Delete the matching rows, or all rows without parameters; return their number."""
        everything = select(self._key)
        keys = self._filtered(everything, query_params)
        if query_params and keys is everything:
            msg = f"{query_params} filters nothing: `delete_all()` deletes everything"
            raise TypeError(msg)
        return await self._delete(delete(self.base_class).where(self._key.in_(keys)))

    async def get(self, object_id: Key) -> Entity:
        return self._first(await self._list(self._get, {"object_id": object_id}))

    async def find(self, query_params: Params = NO_PARAMS) -> Entity:
        """Return the first match in the order of ids."""
        return self._first(await self._list(self._filtered(self._select, query_params).order_by(self._key).limit(1)))

    async def exists(self, query_params: Params = NO_PARAMS) -> bool:
        statement = select(self._filtered(select(self._key), query_params).exists())
        return bool(await self.database.read(lambda session: session.scalar(statement)))

    async def count(self, query_params: Params = NO_PARAMS) -> int:
        return await self._count(self._filtered(select(self._key), query_params))

    async def get_all(self, query_params: Params = NO_PARAMS) -> Page[Entity]:
        """Return the page that `page` and `per_page` name, or with `itemized` all matches, up to `MAX_ITEMIZED`.

        Parameters that `_apply_query_params` does not read are ignored, so `request.args` may be passed.
        """
        request = PageRequest.from_params(query_params)
        if request.itemized:
            return await self._get_itemized(query_params)
        total = await self._count(self._apply_query_params(select(self._key), query_params))
        items = await self._list(self._matching(query_params).limit(request.per_page).offset(request.offset))
        return Page(items=items, total=total, page=request.page, per_page=request.per_page)

    def get_query_param(self, key: str, query_params: Params, default: Any = None) -> Any:  # noqa: ANN401 - a value of any type
        return query_params.get(key, default)

    def _apply_query_params(self, query: Query, query_params: Params) -> Query:
        """Filter the query by the parameters that the subclass knows, read with `get_query_param`."""
        return query

    def _filtered(self, query: Query, query_params: Params) -> Query:
        params = _ReadParams(query_params)
        query = self._apply_query_params(query, params)
        params.refuse_unread(type(self).__name__)
        return query

    async def _count(self, matching: Query) -> int:
        statement = select(func.count()).select_from(matching.subquery())
        return await self.database.read(lambda session: session.scalar(statement)) or 0

    async def _get_itemized(self, query_params: Params) -> Page[Entity]:
        items = await self._list(self._matching(query_params).limit(self.MAX_ITEMIZED + 1))
        if len(items) > self.MAX_ITEMIZED:
            msg = f"There are more than {self.MAX_ITEMIZED} items: ask for one page of them."
            raise ValidationError(msg)
        return Page(items=items, total=len(items), page=1, per_page=len(items), itemized=True)

    async def _list(self, statement: Query, values: Params | None = None) -> list[Entity]:
        async def query(session: AsyncSession) -> list[Entity]:
            return [self._to_entity(row, session) for row in await session.execute(statement, values)]

        return await self.database.read(query)

    async def _delete(self, statement: Delete) -> int:
        async with self.database.session() as session:
            result = await session.execute(statement, execution_options={"synchronize_session": False})
            return cast("CursorResult[Any]", result).rowcount

    def _has_key(self, object_id: Key) -> ColumnElement[bool]:
        matches: ColumnElement[bool] = self._key == bindparam(None, object_id, type_=self._key_type)
        return matches

    def _matching(self, query_params: Params) -> Query:
        return self._apply_query_params(self._select, query_params).order_by(self._key)

    def _columns(self) -> list[Any]:
        if self.entity_class is None:
            return [self.base_class]
        return [getattr(self.base_class, field.name) for field in dataclasses.fields(self.entity_class) if field.init]

    def _to_entity(self, row: Row[Any], session: AsyncSession) -> Entity:
        if self.entity_class is not None:
            return cast("Entity", self.entity_class(**row._mapping))
        session.expunge(row[0])
        return cast("Entity", row[0])

    def _first(self, found: list[Entity]) -> Entity:
        if not found:
            raise NotFoundError(self.DEFAULT_NOT_FOUND_MESSAGE)
        return found[0]

    def _require_columns(self, data: Params) -> dict[str, Any]:
        unknown = sorted(data.keys() - self._attributes)
        if unknown:
            msg = f"{self.base_class.__name__} has no column {', '.join(unknown)}"
            raise TypeError(msg)
        return dict(data)


class _ReadParams(Mapping[str, Any]):
    """Records which parameters a query reads: one that it ignores would make `delete_all` delete too much."""

    def __init__(self, params: Params) -> None:
        self._params = params
        self._unread = set(params) - PAGE_PARAMS

    def __getitem__(self, key: str) -> Any:  # noqa: ANN401 - a value of any type
        self._unread.discard(key)
        return self._params[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._params)

    def __len__(self) -> int:
        return len(self._params)

    def refuse_unread(self, reader: str) -> None:
        if self._unread:
            msg = f"{reader} does not filter by {', '.join(sorted(self._unread))}"
            raise TypeError(msg)
