"""Protocols for what the chassis needs from outside its inner layers."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, TypeVar

from chassis.domain.pagination import Page

Entity = TypeVar("Entity")
Key = Any  # the type of a model's primary key
Params = Mapping[str, Any]  # names of columns or filters, and values of any type

LOCK_NEEDS_TRANSACTION = "`for_update=True` needs `async with transaction()`, because a lock ends with its transaction."


class RepositoryPort(Protocol[Entity]):
    """A collection of entities. A call on its own is complete: when it returns, what it wrote has been committed.

    Filters are lookups, see `chassis.domain.lookups`: `{"author_id": 1, "published__gte": date(2020, 1, 31)}`.
    Every call that takes `query_params` raises `TypeError` for a name that is neither a filter nor a paging parameter.
    """

    def transaction(self) -> AbstractAsyncContextManager[None]:
        """Make all calls inside, of whichever repository, one transaction.

        Commits on a clean exit, rolls back on any exception.
        """
        ...

    async def create(self, data: Params) -> Entity: ...

    async def create_many(self, rows: Sequence[Params]) -> list[Entity]:
        """Create all rows or, if one of them fails, none; return them in the same order."""
        ...

    async def update(self, object_id: Key, data: Params) -> Entity: ...

    async def update_all(self, query_params: Params, data: Params) -> int:
        """Change the matching rows, or all rows without parameters; return their number."""
        ...

    async def delete(self, object_id: Key) -> None: ...

    async def delete_all(self, query_params: Params) -> int: ...

    async def get(self, object_id: Key, *, for_update: bool = False) -> Entity:
        """Return the entity; with `for_update` nobody else can change it until the running transaction ends.

        Raises:
            RuntimeError: `for_update` outside of a transaction.
        """
        ...

    async def find(self, query_params: Params) -> Entity: ...

    async def exists(self, query_params: Params) -> bool: ...

    async def count(self, query_params: Params) -> int: ...

    async def get_all(self, query_params: Params) -> Page[Entity]: ...


class JobLock(Protocol):
    """Lets one instance at a time do a job that all of them start."""

    def hold(self, name: str) -> AbstractAsyncContextManager[bool]:
        """Give False if another instance holds the lock; otherwise hold it during the block, which is a transaction."""
        ...


class Readiness(Protocol):
    async def check(self) -> None:
        """Return when requests can be served; otherwise raise `UnavailableError` with the reason."""
        ...


class Instance(Protocol):
    """This process among those that serve the same clients."""

    @property
    def stopping(self) -> bool:
        """Other instances are to take over, because this one has been told to stop."""
        ...


class MaintenanceWindow(Protocol):
    """The maintenance window as far as the rest of the service needs to know it."""

    @property
    def active(self) -> bool: ...
