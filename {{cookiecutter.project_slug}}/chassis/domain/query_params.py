from collections.abc import Iterator, Mapping
from typing import Any

from chassis.domain.pagination import PAGE_PARAMS


class ReadParams(Mapping[str, Any]):
    """Records which parameters a hook reads: the lookups of the others are applied, or refused if they are unknown."""

    def __init__(self, params: Mapping[str, Any]) -> None:
        self._params = params
        self._unread = set(params)

    def __getitem__(self, key: str) -> Any:  # noqa: ANN401 - a value of any type
        self._unread.discard(key)
        return self._params[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._params)

    def __len__(self) -> int:
        return len(self._params)

    def filters(self) -> dict[str, Any]:
        """Return the parameters that nobody has read and that do not concern the page, in a constant order."""
        return {name: self._params[name] for name in sorted(self._unread - PAGE_PARAMS)}

    def sort(self) -> Any:  # noqa: ANN401
        """Return the order that the caller wants, unless the hook has read it and sorts by itself."""
        return self._params["sort"] if "sort" in self._unread else None
