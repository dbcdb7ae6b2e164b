"""Every repository has the same operations, most of them one statement; a subclass names its model.

Rows become entities without an instance of the model in between, and a model that is returned is detached:
no lazy load can leave a repository.
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import fields
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
    inspect,
    select,
    update,
)
from sqlalchemy.orm import Session
from sqlalchemy.types import BigInteger, Integer
from typing_extensions import TypeVar

from chassis.domain.exceptions import NotFoundError, ValidationError
from chassis.domain.pagination import Page, PageRequest
from chassis.domain.ports import LOCK_NEEDS_TRANSACTION, Key, Params, RepositoryPort
from chassis.domain.query_params import ReadParams
from chassis.domain.sorting import read_sort
from chassis.persistence.bulk_insert import BulkInsert, Row
from chassis.persistence.database import Database
from chassis.persistence.dialects import is_postgresql, table_of_keys
from chassis.persistence.entity_mapping import EntityMapping
from chassis.persistence.filters import Condition, Filters
from chassis.persistence.keys import is_possible_key
from chassis.persistence.keyset import Keyset
from chassis.persistence.keyset_pages import KeysetPages
from chassis.persistence.loading import set_back_references

Entity = TypeVar("Entity", default=Any)
Query = Select[Any]
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
        self._key = self._mapping.key
        inherits = inspect(self.base_class).inherits is not None  # and shares its table with other models
        self._select = select(*self._mapping.selection).options(*self._mapping.options)
        # A number beyond the range of the column is not an error, because no row has it as its key.
        self._key_type = BigInteger() if isinstance(self._key.type, Integer) else self._key.type
        self._get = self._select.where(self._key == bindparam("object_id", type_=self._key_type))
        self._insert = self._returning(insert(self.base_class))
        self._filters = Filters(type(self).__name__, self.base_class)
        self._select_key = select(self._filters.expression(self._filters.key_name) if inherits else self._key)
        self._bulk_insert = BulkInsert(inspect(self.base_class))
        self._fields = [field.name for field in fields(self.entity_class) if field.init] if self.entity_class else []
        self._plain_insert = self._bulk_insert.plain_insert(self._fields) if self._fields else None

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

    async def create_many(self, rows: Sequence[Params]) -> list[Entity]:
        """Create all rows or none, by one INSERT for rows that name the same columns; return them in their order."""
        groups = self._bulk_insert.group([self._mapping.to_columns(row) for row in rows])
        single = self._bulk_insert.is_one_statement(groups) and not self._mapping.may_fail_after_write
        created = dict[int, Entity]()
        async with nullcontext() if single or self.database.in_transaction else self.database.transaction():
            for group in groups:
                created.update(zip(group, await self._insert_group(list(group.values())), strict=True))
        return [created[place] for place in range(len(rows))]

    async def update(self, object_id: Key, data: Params) -> Entity:
        """Change the columns that `data` names and no others."""
        if not data:
            return await self.get(object_id)
        statement = update(self.base_class).where(self._has_key(object_id)).values(self._mapping.to_columns(data))
        return self._first(await self._write(self._returning(statement)))

    async def delete(self, object_id: Key) -> None:
        if not await self._change(delete(self.base_class).where(self._has_key(object_id))):
            raise NotFoundError(self.DEFAULT_NOT_FOUND_MESSAGE)

    async def update_all(self, query_params: Params, data: Params) -> int:
        """Change the columns that `data` names in the matching rows, or in all rows without parameters."""
        conditions = self._conditions(query_params, "update_all")
        if not data:
            return await self.count(query_params)
        return await self._change(update(self.base_class).where(*conditions).values(self._mapping.to_columns(data)))

    async def delete_all(self, query_params: Params = NO_PARAMS) -> int:
        """Delete the matching rows, or all rows without parameters; return their number."""
        return await self._change(delete(self.base_class).where(*self._conditions(query_params, "delete_all")))

    async def get(self, object_id: Key, *, for_update: bool = False) -> Entity:
        """Return the row; with `for_update`, lock it until the running transaction ends.

        Raises:
            RuntimeError: `for_update` outside of a transaction, where the lock would be released at once.
        """
        self._require_possible(object_id)
        statement = self._get
        if for_update:
            self._require_transaction()
            if self._mapping.needs_select:
                await self._lock(object_id)
            else:
                statement = statement.with_for_update(of=self.base_class)
        return self._first(await self._list(statement, {"object_id": object_id}))

    async def _lock(self, object_id: Key) -> None:
        """Lock the row before it is read: a statement that waits for a lock joins rows as they were before."""
        lock = select(self._key).where(self._has_key(object_id)).with_for_update(of=self.base_class)
        await self.database.read(lambda session: session.execute(lock))

    async def find(self, query_params: Params = NO_PARAMS) -> Entity:
        """Return the first match in the order of `sort`, or else of ids."""
        return self._first(await self._list(self._sorted(self._select, query_params).limit(1)))

    async def exists(self, query_params: Params = NO_PARAMS) -> bool:
        statement = select(self._filtered(self._select_key, query_params).exists())
        return bool(await self.database.read(lambda session: session.scalar(statement)))

    async def count(self, query_params: Params = NO_PARAMS) -> int:
        return await self._count(self._filtered(self._select_key, query_params))

    async def get_all(self, query_params: Params = NO_PARAMS) -> Page[Entity]:
        """Return the matches in the order of `sort`: one page of them, or with `itemized` all, up to `MAX_ITEMIZED`.

        A page is that which `page` and `per_page` name, or with `cursor` the one after the row of the cursor.

        Raises:
            ValidationError: the cursor is altered, or belongs to another list, order or filters.
        """
        request = PageRequest.from_params(query_params)
        if request.cursor is not None:
            return await self._get_page_by_cursor(request, query_params)
        if request.itemized:
            return await self._get_itemized(query_params)
        total = await self.count(query_params)
        page = self._sorted(self._select, query_params).limit(request.per_page).offset(request.offset)
        return Page(items=await self._list(page), total=total, page=request.page, per_page=request.per_page)

    def get_query_param(self, key: str, query_params: Params, default: Any = None) -> Any:  # noqa: ANN401 - a value of any type
        return query_params.get(key, default)

    def _apply_query_params(self, query: Query, query_params: Params) -> Query:
        """Filter the query by parameters that are not lookups, read with `get_query_param`.

        A parameter that is read here is not applied as a lookup, nor `sort` as an order.
        """
        return query

    def _filtered(self, query: Query, query_params: Params) -> Query:
        return self._apply(query, ReadParams(query_params))

    def _sorted(self, query: Query, query_params: Params) -> Query:
        params = ReadParams(query_params)
        query = self._apply(query, params)
        sort = params.sort()
        if sort:
            query = query.order_by(None)  # the hook may have an order of its own
        return query.order_by(*self._keyset(sort).order())

    def _apply(self, query: Query, params: ReadParams) -> Query:
        return self._apply_query_params(query, params).where(*self._filters.conditions(params.filters()))

    def _keyset(self, sort: object) -> Keyset:
        order = read_sort(sort, self._filters.key_name, self._filters.is_sortable, type(self).__name__)
        return Keyset(self._filters, order)

    def _conditions(self, query_params: Params, operation: str) -> list[Condition]:
        """Return the conditions for rows to change.

        A lookup concerns the row itself: PostgreSQL tests it again after it has waited for another transaction.
        """
        params, everything = ReadParams(query_params), self._select_key
        keys = self._apply_query_params(everything, params)
        conditions = self._filters.conditions(params.filters())
        if keys is not everything:
            conditions.append(self._key.in_(keys))
        if query_params and not conditions:
            msg = f"{query_params} filters nothing, and without parameters `{operation}()` concerns everything"
            raise TypeError(msg)
        return conditions

    async def _count(self, matching: Query) -> int:
        statement = select(func.count()).select_from(matching.subquery())
        return await self.database.read(lambda session: session.scalar(statement)) or 0

    async def _get_itemized(self, query_params: Params) -> Page[Entity]:
        items = await self._list(self._sorted(self._select, query_params).limit(self.MAX_ITEMIZED + 1))
        if len(items) > self.MAX_ITEMIZED:
            msg = f"There are more than {self.MAX_ITEMIZED} items: ask for one page of them."
            raise ValidationError(msg)
        return Page(items=items, total=len(items), page=1, per_page=len(items), itemized=True)

    async def _get_page_by_cursor(self, request: PageRequest, query_params: Params) -> Page[Entity]:
        """Read the keys of the page and then its rows: an entity need not have the fields that it is sorted by."""
        params = ReadParams(query_params)
        query = self._apply(self._select_key, params)
        keyset = self._keyset(params.sort())
        pages = KeysetPages(keyset, f"{type(self).__name__} {self._filters.table}", query_params)
        keys, next_cursor = await pages.read(self.database, query, request)
        items = await self._list(self._select.where(self._key.in_(keys)).order_by(*keyset.order())) if keys else []
        per_page = request.per_page
        return Page(items=items, total=None, page=1, per_page=per_page, by_cursor=True, next_cursor=next_cursor)

    async def _get_many(self, keys: Sequence[Key]) -> list[Entity]:
        """Return the rows with these keys that exist, in the order of the keys."""
        if not keys:
            return []
        wanted = table_of_keys(self.database.engine.url, keys, self._key_type)
        return await self._list(self._select.where(self._key == wanted.c.key).order_by(wanted.c.place))

    async def _insert_group(self, rows: list[Row]) -> list[Entity]:
        """Insert rows that name the same columns."""
        statement, key_query = insert(self.base_class), self._bulk_insert.key_query(rows)
        if self._plain_insert is not None:
            return await self._insert_plainly(self._plain_insert, rows)
        async with self.database.session() as session:
            if key_query is not None and is_postgresql(self.database.engine.url):
                keys = (await session.scalars(key_query)).all()
                named = [{**row, self._filters.key_name: key} for row, key in zip(rows, keys, strict=True)]
                await session.execute(statement.execution_options(render_nulls=True), named)
            else:
                returning = self._returning(statement, in_order=True)
                if not self._mapping.needs_select:
                    return await session.run_sync(self._fetch, returning, rows)
                keys = (await session.scalars(returning, rows)).all()
            return await self._get_many(keys)

    async def _insert_plainly(self, statement: Insert, rows: list[Row]) -> list[Entity]:
        entity_class: Any = self.entity_class
        async with self.database.session() as session:
            created = await session.execute(statement, [self._bulk_insert.by_column(row) for row in rows])
            return [entity_class(**dict(zip(self._fields, row, strict=True))) for row in created]

    async def _list(self, statement: Query, values: Params | None = None) -> list[Entity]:
        return await self.database.read(lambda session: session.run_sync(self._fetch, statement, values))

    async def _write(self, statement: Executable, rows: list[Row] | None = None) -> list[Entity]:
        """Store a row and read what was stored; if anything fails, nothing is stored."""
        single = not self._mapping.may_fail_after_write or self.database.in_transaction
        async with nullcontext() if single else self.database.transaction(), self.database.session() as session:
            if not self._mapping.needs_select:
                return await session.run_sync(self._fetch, statement, rows)
            keys = (await session.scalars(statement, rows)).all()
            return [entity for key in keys for entity in await self._list(self._get, {"object_id": key})]

    def _returning(self, statement: Insert | Update, *, in_order: bool = False) -> Executable:
        """Let the statement return what was stored, or its key if only a SELECT can read it."""
        selection = [self._key] if self._mapping.needs_select else self._mapping.selection
        order = {"sort_by_parameter_order": True} if in_order else {}
        returning: Any = statement.returning(*selection, **order)
        if not self._mapping.needs_select:
            returning = returning.options(*self._mapping.options)
        # Without `render_nulls`, rows with None and rows without would be different statements.
        return cast("Executable", returning.execution_options(synchronize_session=False, render_nulls=True))

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

    async def _change(self, statement: Update | Delete) -> int:
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

    def _require_transaction(self) -> None:
        if not self.database.in_transaction:
            raise RuntimeError(LOCK_NEEDS_TRANSACTION)

    def _first(self, found: list[Entity]) -> Entity:
        if not found:
            raise NotFoundError(self.DEFAULT_NOT_FOUND_MESSAGE)
        return found[0]
