"""Which parameters a query has looked at: one that it did not would be ignored, and `delete_all` delete too much."""

from collections.abc import Iterator, Mapping
from typing import Any

from src.domain.pagination import PageRequest


class ReadParams(Mapping[str, Any]):
    """A view of parameters; `get`, `[]`, `in` and going through the items count as reading."""

    def __init__(self, params: Mapping[str, Any]) -> None:
        self._params = params
        self._read: set[str] = set()
        PageRequest.of(self)  # what asks for a page is no filter, and no mistake

    def __getitem__(self, key: str) -> Any:  # noqa: ANN401 - whatever a caller asks for
        self._read.add(key)
        return self._params[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._params)

    def __len__(self) -> int:
        return len(self._params)

    def refuse_unread(self, reader: str) -> None:
        unread = sorted(self._params.keys() - self._read)
        if unread:
            msg = f"{reader} does not filter by {', '.join(unread)}"
            raise TypeError(msg)
