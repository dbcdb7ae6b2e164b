"""Statements that do not depend on filters are built once, because building one takes longer than most reads."""

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from sqlalchemy import Executable, Select

LIMIT, OFFSET = "limit", "offset"  # parameters of statements
Statement = TypeVar("Statement", bound=Executable)
MAX_PREPARED = 100  # of a repository: clients may sort a list in more ways than are worth their memory


class PreparedStatements:
    """Keeps the statements that are built on a query of all rows; a query with filters is a new one for each call."""

    def __init__(self, everything: Select[Any]) -> None:
        self._everything = everything
        self._statements: dict[Hashable, Any] = {}

    def get(self, name: Hashable, matching: Select[Any], build: Callable[[Select[Any]], Statement]) -> Statement:
        """Return the statement of this name for the matching rows, and build it unless it is prepared."""
        if matching is not self._everything:
            return build(matching)
        if name not in self._statements:
            if len(self._statements) >= MAX_PREPARED:
                self._statements.clear()
            self._statements[name] = build(matching)
        statement: Statement = self._statements[name]
        return statement
