from src.domain.todo import Todo
from src.services.repository_service import RepositoryService


class TodoService(RepositoryService[Todo]):
    """The use cases of todos: those of every entity, until yours has rules of its own."""
