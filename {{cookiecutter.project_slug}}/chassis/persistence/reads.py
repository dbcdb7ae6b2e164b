"""The reads of a repository are synchronous functions of a connection, for `Database.run_read`."""

from collections.abc import Sequence
from typing import Generic, TypeVar

from sqlalchemy import Connection, Select, bindparam, func, select
from sqlalchemy.types import BigInteger, Integer

from chassis.domain.exceptions import ValidationError
from chassis.domain.pagination import Page, PageRequest
from chassis.domain.ports import Key
from chassis.persistence.dialects import table_of_keys
from chassis.persistence.entity_loader import EntityLoader
from chassis.persistence.entity_mapping import EntityMapping
from chassis.persistence.keyset import Keyset
from chassis.persistence.keyset_pages import KeysetPages
from chassis.persistence.prepared import LIMIT, OFFSET, PreparedStatements
from chassis.persistence.queries import Listing, Query

Entity = TypeVar("Entity")
KEY, KEYS = "object_id", "object_ids"  # parameters of statements


class Reads(Generic[Entity]):
    """The statements that read rows of one model; those without filters are built once."""

    def __init__(self, mapping: EntityMapping, everything: Query) -> None:
        self._mapping = mapping
        self._loader = EntityLoader[Entity](mapping)
        self._everything = everything
        self._prepared = PreparedStatements(everything)
        self._select = select(*mapping.selection).options(*mapping.options)
        has_key = mapping.key == bindparam(KEY, type_=mapping.key_type)
        self._get = self._select.where(has_key)
        self._get_and_lock = self._get.with_for_update(of=mapping.model)
        self._lock = select(mapping.key).where(has_key).with_for_update(of=mapping.model)

    def get(self, object_id: Key, connection: Connection) -> list[Entity]:
        return self._loader.fetch(self._get, {KEY: object_id}, connection)

    def get_and_lock(self, object_id: Key, connection: Connection) -> list[Entity]:
        if not self._mapping.needs_select:
            return self._loader.fetch(self._get_and_lock, {KEY: object_id}, connection)
        # A statement that waits for a lock joins rows as they were before.
        connection.execute(self._lock, {KEY: object_id})
        return self.get(object_id, connection)

    def get_many(self, keys: Sequence[Key], connection: Connection) -> list[Entity]:
        """Return the rows with these keys that exist, in the order of the keys."""
        if len(keys) == 1:
            return self.get(keys[0], connection)
        wanted = table_of_keys(connection.engine.url, keys, self._mapping.key_type)
        statement = self._select.where(self._mapping.key == wanted.c.key).order_by(wanted.c.place)
        return self._loader.fetch(statement, None, connection)

    def exists(self, matching: Query, connection: Connection) -> bool:
        statement = self._prepared.get("exists", matching, lambda query: select(query.exists()))
        return bool(connection.scalar(statement))

    def count(self, matching: Query, connection: Connection) -> int:
        return connection.scalar(self._prepared.get("count", matching, _count)) or 0

    def first(self, listing: Listing, limit: int, connection: Connection) -> list[Entity]:
        def build(matching: Query) -> Query:
            return self._select_rows(matching).order_by(*listing.keyset.order()).limit(bindparam(LIMIT, type_=Integer))

        statement = self._prepared.get(("first", listing.keyset.fields), listing.matching, build)
        return self._loader.fetch(statement, {LIMIT: limit}, connection)

    def itemized(self, listing: Listing, limit: int, connection: Connection) -> Page[Entity]:
        """Read all rows of the list.

        Raises:
            ValidationError: there are more than the limit.
        """
        items = self.first(listing, limit + 1, connection)
        if len(items) > limit:
            msg = f"There are more than {limit} items: ask for one page of them."
            raise ValidationError(msg)
        return Page(items=items, total=len(items), page=1, per_page=len(items), itemized=True)

    def page(self, listing: Listing, request: PageRequest, connection: Connection) -> Page[Entity]:
        """Read a page and the total in one statement; without a row that has the total, ask for it again."""

        def build(matching: Query) -> Query:
            page = self._select_rows(matching).add_columns(_count(matching).scalar_subquery())
            limit, offset = bindparam(LIMIT, type_=Integer), bindparam(OFFSET, type_=BigInteger)
            return page.order_by(*listing.keyset.order()).limit(limit).offset(offset)

        statement = self._prepared.get(("page", listing.keyset.fields), listing.matching, build)
        values = {LIMIT: request.per_page, OFFSET: request.offset}
        items, rows = self._loader.fetch_rows(statement, values, connection)
        is_past_end = not rows and request.offset > 0
        total = rows[0][-1] if rows else self.count(listing.matching, connection) if is_past_end else 0
        return Page(items=items, total=total, page=request.page, per_page=request.per_page)

    def page_by_cursor(self, pages: KeysetPages, request: PageRequest, connection: Connection) -> Page[Entity]:
        """Read the keys of the page and then its rows: an entity need not have the fields that it is sorted by."""
        keys, next_cursor = pages.read(request, self._prepared, connection)
        items = self._get_sorted(keys, pages.keyset, connection) if keys else []
        per_page = request.per_page
        return Page(items=items, total=None, page=1, per_page=per_page, by_cursor=True, next_cursor=next_cursor)

    def _get_sorted(self, keys: Sequence[Key], keyset: Keyset, connection: Connection) -> list[Entity]:
        def build(_: Query) -> Query:
            wanted = self._mapping.key.in_(bindparam(KEYS, type_=self._mapping.key_type, expanding=True))
            return self._select.where(wanted).order_by(*keyset.order())

        statement = self._prepared.get(("keys", keyset.fields), self._everything, build)
        return self._loader.fetch(statement, {KEYS: keys}, connection)

    def _select_rows(self, matching: Query) -> Query:
        return matching.with_only_columns(*self._mapping.selection).options(*self._mapping.options)


def _count(matching: Query) -> Select[int]:
    return select(func.count()).select_from(matching.order_by(None).subquery())
