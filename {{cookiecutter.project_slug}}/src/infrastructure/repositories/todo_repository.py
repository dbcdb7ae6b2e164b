from typing import Any

from sqlalchemy import Select

from src.domain.todo import Todo
from src.infrastructure.models.todo import TodoModel
from src.infrastructure.repositories.repository import Params, Repository


class TodoRepository(Repository[Todo]):
    base_class = TodoModel
    entity_class = Todo
    DEFAULT_NOT_FOUND_MESSAGE = "Todo was not found"

    def _apply_query_params(self, query: Select[Any], query_params: Params) -> Select[Any]:
        title = self.get_query_param("title", query_params)
        if title:
            query = query.filter_by(title=title)
        return query
