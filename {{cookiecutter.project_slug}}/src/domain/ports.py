"""What the services need from outside, as protocols; `src.infrastructure` provides it."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, TypeVar

from src.domain.pagination import Page
from src.domain.service_context import ServiceContext

Entity = TypeVar("Entity")


class RepositoryPort(Protocol[Entity]):
    """A collection of entities. A call on its own is complete: what it wrote has been committed when it returns."""

    def transaction(self) -> AbstractAsyncContextManager[None]:
        """Makes all calls inside, of whichever repository, one: commits on a clean exit, else rolls back."""
        ...

    async def create(self, data: Mapping[str, Any]) -> Entity: ...

    async def update(self, object_id: Any, data: Mapping[str, Any]) -> Entity: ...  # noqa: ANN401

    async def delete(self, object_id: Any) -> None: ...  # noqa: ANN401

    async def delete_all(self, query_params: Mapping[str, Any]) -> int: ...

    async def get(self, object_id: Any) -> Entity: ...  # noqa: ANN401

    async def find(self, query_params: Mapping[str, Any]) -> Entity: ...

    async def exists(self, query_params: Mapping[str, Any]) -> bool: ...

    async def count(self, query_params: Mapping[str, Any]) -> int: ...

    async def get_all(self, query_params: Mapping[str, Any]) -> Page[Entity]: ...


class ServiceContextPort(Protocol):
    """The one service context that all processes share. Both methods raise `UnavailableError` without a database."""

    async def current(self) -> ServiceContext:
        """Open, with version 0, while nobody ever changed it."""
        ...

    async def change(self, values: Mapping[str, Any], *, by: str, anew: bool = False) -> ServiceContext:
        """Sets columns and tells all watchers; does nothing where all are what they should be, except `anew`."""
        ...


class Readiness(Protocol):
    async def check(self) -> None:
        """Returns when requests can be served; raises `UnavailableError` with the reason otherwise."""
        ...
