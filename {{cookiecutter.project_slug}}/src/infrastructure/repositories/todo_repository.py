from collections.abc import Mapping
from typing import Any

from sqlalchemy import Select

from src.domain.todo import Todo
from src.infrastructure.models.todo import TodoModel
from src.infrastructure.repositories import Repository


class TodoRepository(Repository[Todo]):
    base_class = TodoModel
    entity_class = Todo
    DEFAULT_NOT_FOUND_MESSAGE = "The requested todo was not found"

    def _apply_query_params(self, query: Select[Any], query_params: Mapping[str, Any]) -> Select[Any]:
        title = self.get_query_param("title", query_params)
        return query.filter_by(title=title) if title else query
