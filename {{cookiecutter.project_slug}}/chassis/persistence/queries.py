"""The parameters of a call become a query: first by the hook of its repository, then by lookups."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

from sqlalchemy import Select, select

from chassis.domain.ports import Params
from chassis.domain.query_params import ReadParams
from chassis.domain.sorting import read_sort
from chassis.persistence.entity_mapping import EntityMapping
from chassis.persistence.filters import Condition, Filters
from chassis.persistence.keyset import Keyset
from chassis.persistence.prepared import MAX_PREPARED

Query = Select[Any]
Hook = Callable[[Query, Params], Query]


@dataclass(frozen=True)
class Listing:
    """A query of the keys of matching rows, and an order in which they are to be listed; `name` is that of the list."""

    name: str
    matching: Query
    keyset: Keyset


class Queries:
    """Selects the keys of the rows that match; without parameters it is always the same query, `everything`."""

    def __init__(self, owner: str, mapping: EntityMapping, hook: Hook) -> None:
        """Take the name of the repository for messages, and its hook `_apply_query_params`."""
        self._owner = owner
        self._key = mapping.key
        self._hook = hook
        self._filters = Filters(owner, mapping.model)
        self._keyset = lru_cache(MAX_PREPARED)(partial(Keyset, self._filters))
        self.everything: Query = select(mapping.filterable_key)

    def matching(self, query_params: Params) -> Query:
        return self._apply(ReadParams(query_params))

    def listing(self, query_params: Params) -> Listing:
        params = ReadParams(query_params)
        matching = self._apply(params)
        sort = params.sort()
        if sort:
            matching = self._without_order(matching)
        order = read_sort(sort, self._filters.key_name, self._filters.is_sortable, self._owner)
        return Listing(f"{self._owner} {self._filters.table}", matching, self._keyset(order))

    def conditions(self, query_params: Params, operation: str) -> list[Condition]:
        """Return the conditions for rows to change.

        A lookup concerns the row itself: PostgreSQL tests it again after it has waited for another transaction.
        """
        params = ReadParams(query_params)
        keys = self._hook(self.everything, params)
        conditions = self._filters.conditions(params.filters())
        if keys is not self.everything:
            conditions.append(self._key.in_(keys))
        if query_params and not conditions:
            msg = f"{query_params} filters nothing, and without parameters `{operation}()` concerns everything"
            raise TypeError(msg)
        return conditions

    def _apply(self, params: ReadParams) -> Query:
        query = self._hook(self.everything, params)
        conditions = self._filters.conditions(params.filters())
        return query.where(*conditions) if conditions else query

    def _without_order(self, matching: Query) -> Query:
        """Remove the order of the hook, if it has one."""
        return matching if matching is self.everything else matching.order_by(None)
