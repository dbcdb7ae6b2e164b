"""What this service is built from. Views ask for a provider by the name it has here."""

from dependency_injector import providers

from chassis.dependency_container import ChassisContainer
from src.infrastructure.repositories.todo_repository import TodoRepository
from src.services.todo_service import TodoService


class DependencyContainer(ChassisContainer):
    """Inherits `config`, `database` and what else every service has."""

    todo_repository = providers.Singleton(TodoRepository, ChassisContainer.database)
    todo_service = providers.Factory(TodoService, todo_repository)
