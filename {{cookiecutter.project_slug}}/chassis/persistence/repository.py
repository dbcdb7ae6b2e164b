"""Every repository has the same operations, most of them one statement; a subclass names its model and its filters.

Rows become entities without an instance of the model in between, and a model that is returned is detached:
no lazy load can leave a repository.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, ClassVar, cast

from sqlalchemy import (
    ColumnElement,
    CursorResult,
    Delete,
    Executable,
    Insert,
    Select,
    Update,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.orm import Session
from sqlalchemy.types import BigInteger, Integer
from typing_extensions import TypeVar

from chassis.domain.exceptions import NotFoundError, ValidationError
from chassis.domain.pagination import PAGE_PARAMS, Page, PageRequest
from chassis.domain.ports import Key, Params, RepositoryPort
from chassis.persistence.database import Database
from chassis.persistence.entity_mapping import EntityMapping
from chassis.persistence.keys import is_possible_key
from chassis.persistence.loading import set_back_references

Entity = TypeVar("Entity", default=Any)
Query = Select[Any]
NO_PARAMS: Params = {}


class Repository(RepositoryPort[Entity]):
    """Stores rows of the model `base_class`; returns models, or instances of the dataclass `entity_class` if it is set.

    Data and filters use the names of the model's attributes, whatever their columns are called.
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
        self._key = self._mapping.key
        self._select = select(*self._mapping.selection).options(*self._mapping.options)
        # A number beyond the range of the column is not an error, because no row has it as its key.
        self._key_type = BigInteger() if isinstance(self._key.type, Integer) else self._key.type
        self._get = self._select.where(self._key == bindparam("object_id", type_=self._key_type))
        self._insert = self._returning(insert(self.base_class))

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
        return self._first(await self._write(self._insert, [self._mapping.to_columns(data)]))

    async def update(self, object_id: Key, data: Params) -> Entity:
        """Change the columns that `data` names and no others."""
        if not data:
            return await self.get(object_id)
        statement = update(self.base_class).where(self._has_key(object_id)).values(self._mapping.to_columns(data))
        return self._first(await self._write(self._returning(statement)))

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
        self._require_possible(object_id)
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
        return await self.database.read(lambda session: session.run_sync(self._fetch, statement, values))

    async def _write(self, statement: Executable, values: list[dict[str, Any]] | None = None) -> list[Entity]:
        """Store a row and read what was stored; if anything fails, nothing is stored."""
        single = not self._mapping.may_fail_after_write or self.database.in_transaction
        async with nullcontext() if single else self.database.transaction(), self.database.session() as session:
            if not self._mapping.needs_select:
                return await session.run_sync(self._fetch, statement, values)
            keys = (await session.scalars(statement, values)).all()
            return [entity for key in keys for entity in await self._list(self._get, {"object_id": key})]

    def _returning(self, statement: Insert | Update) -> Executable:
        """Let the statement return what was stored, or its key if only a SELECT can read it."""
        if self._mapping.needs_select:
            return statement.returning(self._key).execution_options(synchronize_session=False)
        returning = statement.returning(*self._mapping.selection).options(*self._mapping.options)
        return returning.execution_options(synchronize_session=False)

    def _fetch(
        self, session: Session, statement: Executable, values: Params | list[dict[str, Any]] | None
    ) -> list[Entity]:
        """Load models in a session of their own, so that they belong to no session when they are returned."""
        if self.entity_class is not None and self._mapping.entity is None:
            return [self.entity_class(**row._mapping) for row in session.execute(statement, values)]
        with Session(session.connection(), autoflush=False, join_transaction_mode="rollback_only") as loader:
            models = list(loader.scalars(statement, values).unique())
            if self._mapping.entity is not None:
                return self._mapping.entity.build_all(models)
            if self._mapping.needs_select:
                set_back_references(loader)
            loader.expunge_all()
            return models

    async def _delete(self, statement: Delete) -> int:
        async with self.database.session() as session:
            result = await session.execute(statement, execution_options={"synchronize_session": False})
            return cast("CursorResult[Any]", result).rowcount

    def _require_possible(self, object_id: Key) -> None:
        if not is_possible_key(object_id, self._key.type):
            raise NotFoundError(self.DEFAULT_NOT_FOUND_MESSAGE)

    def _has_key(self, object_id: Key) -> ColumnElement[bool]:
        self._require_possible(object_id)
        matches: ColumnElement[bool] = self._key == bindparam(None, object_id, type_=self._key_type)
        return matches

    def _matching(self, query_params: Params) -> Query:
        return self._apply_query_params(self._select, query_params).order_by(self._key)

    def _first(self, found: list[Entity]) -> Entity:
        if not found:
            raise NotFoundError(self.DEFAULT_NOT_FOUND_MESSAGE)
        return found[0]


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
