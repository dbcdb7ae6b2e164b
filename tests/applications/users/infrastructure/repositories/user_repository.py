# mypy: disable-error-code="no-untyped-def"
from src.infrastructure.models.user import User
from src.infrastructure.repositories import Repository


class UserRepository(Repository):
    base_class = User
    DEFAULT_NOT_FOUND_MESSAGE = "User was not found"

    def _apply_query_params(self, query, query_params):
        name = self.get_query_param("name", query_params)
        if name:
            query = query.filter_by(name=name)
        return query
