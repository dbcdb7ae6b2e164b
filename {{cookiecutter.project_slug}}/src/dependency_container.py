"""What is built from what. Controllers ask for a provider by the name it has here."""

from dependency_injector import containers, providers

from src.config import Config
from src.domain.maintenance_state import MaintenanceState
from src.infrastructure.databases.database import Database
from src.infrastructure.databases.dialects import DatabaseOptions
from src.infrastructure.databases.maintenance_drain import MaintenanceDrain
from src.infrastructure.databases.migrations import MigratedDatabase
from src.infrastructure.databases.service_context_watcher import ServiceContextWatcher
from src.infrastructure.repositories.service_context_repository import ServiceContextRepository
from src.infrastructure.repositories.todo_repository import TodoRepository
from src.services.maintenance_access import MaintenanceAccess
from src.services.service_context_service import ServiceContextService
from src.services.todo_service import TodoService


class DependencyContainer(containers.DeclarativeContainer):
    """Engines and repositories live as long as the application; nothing here belongs to a request."""

    config: providers.Dependency[Config] = providers.Dependency(instance_of=Config)
    database_options = providers.Singleton(
        DatabaseOptions,
        application_name=config.provided.SERVICE_NAME,
        pool_size=config.provided.DATABASE_POOL_SIZE,
        pool_timeout=config.provided.DATABASE_POOL_TIMEOUT,
        connect_timeout=config.provided.DATABASE_CONNECT_TIMEOUT,
        statement_timeout=config.provided.DATABASE_STATEMENT_TIMEOUT,
    )
    database = providers.Singleton(Database, config.provided.SQLALCHEMY_DATABASE_URI, database_options)
    readiness = providers.Singleton(MigratedDatabase, database)

    maintenance_state = providers.Singleton(
        MaintenanceState,
        before_opening=database.provided.close,  # connections from before a migration hold plans of before
        open_when_unknown=config.provided.open_when_unknown,
    )
    maintenance_access = providers.Singleton(
        MaintenanceAccess, config.provided.maintenance_token, without_token=config.provided.maintenance_without_token
    )
    service_context_repository = providers.Singleton(ServiceContextRepository, database)
    service_context_service = providers.Factory(ServiceContextService, service_context_repository, maintenance_state)
    service_context_watcher = providers.Singleton(
        ServiceContextWatcher,
        database,
        service_context_repository,
        maintenance_state,
        poll_seconds=config.provided.MAINTENANCE_POLL_SECONDS,
    )
    maintenance_drain = providers.Singleton(
        MaintenanceDrain,
        database,
        service_context_repository,
        poll_seconds=config.provided.MAINTENANCE_POLL_SECONDS,
    )

    todo_repository = providers.Singleton(TodoRepository, database)
    todo_service = providers.Factory(TodoService, todo_repository)
