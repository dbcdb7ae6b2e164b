"""What every repository can do, one statement each; a subclass says which model and how to filter.

Rows become entities without passing through an instance of the model, and a model that is returned is detached:
no lazy load can leave a repository.
"""

import dataclasses
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, ClassVar, cast

from sqlalchemy import CursorResult, Row, Select, bindparam, delete, func, insert, inspect, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import BigInteger, Integer
from typing_extensions import TypeVar

from src.domain.exceptions import NotFoundError, ValidationError
from src.domain.pagination import Page, PageRequest
from src.domain.ports import RepositoryPort
from src.infrastructure.databases.database import Database
from src.infrastructure.repositories.read_params import ReadParams

Entity = TypeVar("Entity", default=Any)
Params = Mapping[str, Any]
NO_PARAMS: Params = {}


class Repository(RepositoryPort[Entity]):
    """Over `base_class`, the model; returns `entity_class`, a dataclass of the domain, or the model without one.

    Raises `NotFoundError` with `DEFAULT_NOT_FOUND_MESSAGE`, `TypeError` for a column or filter that there is not,
    and what `Database.session` raises.
    """

    base_class: ClassVar[type[Any]]
    entity_class: ClassVar[type[Any] | None] = None
    DEFAULT_NOT_FOUND_MESSAGE: ClassVar[str] = "The requested resource was not found"
    MAX_ITEMIZED: ClassVar[int] = 1000  # an unpaged list ends here: its size must not be up to the data

    def __init__(self, database: Database) -> None:
        self.database = database
        mapper = inspect(self.base_class)
        (self._key,) = mapper.primary_key
        self._attributes = frozenset(mapper.column_attrs.keys())
        self._selection = self._columns()
        self._select = select(*self._selection)
        # A number that the column cannot hold is the key of nothing, rather than a mistake.
        self._key_type = BigInteger() if isinstance(self._key.type, Integer) else self._key.type
        self._get = self._select.where(self._key == bindparam("object_id", type_=self._key_type))
        self._insert = insert(self.base_class).returning(*self._selection)

    def transaction(self) -> AbstractAsyncContextManager[None]:
        return self.database.transaction()

    async def create(self, data: Params) -> Entity:
        values = self._checked(data)
        async with self.database.session() as session:
            return self._built((await session.execute(self._insert, [values])).one(), session)

    async def update(self, object_id: Any, data: Params) -> Entity:  # noqa: ANN401 - the type of the model's key
        """Changes what `data` names and nothing else."""
        if not data:
            return await self.get(object_id)
        statement = (
            update(self.base_class)
            .where(self._is(object_id))
            .values(self._checked(data))
            .returning(*self._selection)
            .execution_options(synchronize_session=False)
        )
        async with self.database.session() as session:
            return self._first([self._built(row, session) for row in await session.execute(statement)])

    async def delete(self, object_id: Any) -> None:  # noqa: ANN401
        if not await self._delete(delete(self.base_class).where(self._is(object_id))):
            raise NotFoundError(self.DEFAULT_NOT_FOUND_MESSAGE)

    async def delete_all(self, query_params: Params = NO_PARAMS) -> int:
        """Deletes what matches, everything without parameters; returns how many."""
        everything = select(self._key)
        keys = self._filtered(everything, query_params)
        if query_params and keys is everything:
            msg = f"{query_params} narrows nothing: `delete_all()` deletes everything"
            raise TypeError(msg)
        return await self._delete(delete(self.base_class).where(self._key.in_(keys)))

    async def get(self, object_id: Any) -> Entity:  # noqa: ANN401
        return self._first(await self._list(self._get, {"object_id": object_id}))

    async def find(self, query_params: Params = NO_PARAMS) -> Entity:
        """The first that matches, by id."""
        return self._first(await self._list(self._filtered(self._select, query_params).order_by(self._key).limit(1)))

    async def exists(self, query_params: Params = NO_PARAMS) -> bool:
        statement = select(self._filtered(select(self._key), query_params).exists())
        return bool(await self.database.read(lambda session: session.scalar(statement)))

    async def count(self, query_params: Params = NO_PARAMS) -> int:
        return await self._count(self._filtered(select(self._key), query_params))

    async def get_all(self, query_params: Params = NO_PARAMS) -> Page[Entity]:
        """The page that `page` and `per_page` ask for, or all of it with `itemized`, up to `MAX_ITEMIZED`.

        The parameters may be the query string of a request: those that are unknown are ignored.
        """
        request = PageRequest.of(query_params)
        if request.itemized:
            return await self._get_itemized(query_params)
        total = await self._count(self._apply_query_params(select(self._key), query_params))
        items = await self._list(self._matching(query_params).limit(request.per_page).offset(request.offset))
        return Page(items=items, total=total, page=request.page, per_page=request.per_page)

    def get_query_param(self, key: str, query_params: Params, default: Any = None) -> Any:  # noqa: ANN401
        return query_params.get(key, default)

    def _apply_query_params(self, query: Select[Any], query_params: Params) -> Select[Any]:
        """Narrows the query to what the parameters ask for; a subclass says which it knows."""
        return query

    def _filtered(self, query: Select[Any], query_params: Params) -> Select[Any]:
        params = ReadParams(query_params)
        query = self._apply_query_params(query, params)
        params.refuse_unread(type(self).__name__)
        return query

    async def _count(self, matching: Select[Any]) -> int:
        statement = select(func.count()).select_from(matching.subquery())
        return await self.database.read(lambda session: session.scalar(statement)) or 0

    async def _get_itemized(self, query_params: Params) -> Page[Entity]:
        items = await self._list(self._matching(query_params).limit(self.MAX_ITEMIZED + 1))
        if len(items) > self.MAX_ITEMIZED:
            msg = f"There are more than {self.MAX_ITEMIZED} items, ask for pages: ?page=1&per_page=100"
            raise ValidationError(msg)
        return Page(items=items, total=len(items), page=1, per_page=len(items))

    async def _list(self, statement: Select[Any], values: Params | None = None) -> list[Entity]:
        async def query(session: AsyncSession) -> list[Entity]:
            return [self._built(row, session) for row in await session.execute(statement, values)]

        return await self.database.read(query)

    async def _delete(self, statement: Any) -> int:  # noqa: ANN401
        async with self.database.session() as session:
            result = await session.execute(statement, execution_options={"synchronize_session": False})
            return cast("CursorResult[Any]", result).rowcount

    def _is(self, object_id: Any) -> Any:  # noqa: ANN401
        return self._key == bindparam(None, object_id, type_=self._key_type)

    def _matching(self, query_params: Params) -> Select[Any]:
        return self._apply_query_params(self._select, query_params).order_by(self._key)

    def _columns(self) -> list[Any]:
        if self.entity_class is None:
            return [self.base_class]
        return [getattr(self.base_class, field.name) for field in dataclasses.fields(self.entity_class) if field.init]

    def _built(self, row: Row[Any], session: AsyncSession) -> Entity:
        if self.entity_class is not None:
            return cast("Entity", self.entity_class(**row._mapping))
        session.expunge(row[0])
        return cast("Entity", row[0])

    def _first(self, found: list[Entity]) -> Entity:
        if not found:
            raise NotFoundError(self.DEFAULT_NOT_FOUND_MESSAGE)
        return found[0]

    def _checked(self, data: Params) -> dict[str, Any]:
        unknown = sorted(data.keys() - self._attributes)
        if unknown:
            msg = f"{self.base_class.__name__} has no column {', '.join(unknown)}"
            raise TypeError(msg)
        return dict(data)
