"""The providers that every service has; engines and repositories live as long as the application."""

from dependency_injector import containers, providers

from chassis.config import ChassisConfig
from chassis.maintenance.access import MaintenanceAccess
from chassis.maintenance.drain import MaintenanceDrain
from chassis.maintenance.in_flight import InFlight
from chassis.maintenance.service import ServiceContextService
from chassis.maintenance.state import MaintenanceState
from chassis.maintenance.store import SQLServiceContextStore
from chassis.maintenance.watcher import ServiceContextWatcher
from chassis.maintenance.window import WindowOperator
from chassis.persistence.database import Database
from chassis.persistence.engine import DatabaseOptions
from chassis.persistence.job_lock import AdvisoryJobLock
from chassis.persistence.messages import PostgreSQLMessages
from chassis.persistence.readiness import MigratedDatabase, create_probe_database


class ChassisContainer(containers.DeclarativeContainer):
    """Nothing here belongs to a request: sessions and transactions are opened where they are used."""

    config: providers.Dependency[ChassisConfig] = providers.Dependency(instance_of=ChassisConfig)
    database_options = providers.Singleton(
        DatabaseOptions,
        application_name=config.provided.SERVICE_NAME,
        pool_size=config.provided.DATABASE_POOL_SIZE,
        pool_timeout=config.provided.DATABASE_POOL_TIMEOUT,
        connect_timeout=config.provided.DATABASE_CONNECT_TIMEOUT,
        statement_timeout=config.provided.DATABASE_STATEMENT_TIMEOUT,
    )
    database = providers.Singleton(Database, config.provided.SQLALCHEMY_DATABASE_URI, database_options)
    probe_database = providers.Singleton(create_probe_database, database)
    readiness = providers.Singleton(MigratedDatabase, probe_database)
    job_lock = providers.Singleton(AdvisoryJobLock, database)
    messages = providers.Singleton(PostgreSQLMessages, database)

    in_flight = providers.Singleton(InFlight, send_timeout=config.provided.DRAIN_SEND_TIMEOUT)
    maintenance_state = providers.Singleton(
        MaintenanceState,
        before_opening=database.provided.close,  # after a migration, cached query plans are stale
        open_when_unknown=config.provided.open_when_unknown,
    )
    maintenance_access = providers.Singleton(
        MaintenanceAccess,
        config.provided.maintenance_token,
        allow_without_token=config.provided.allows_maintenance_without_token,
    )
    service_context_store = providers.Singleton(SQLServiceContextStore, database)
    service_context_service = providers.Factory(ServiceContextService, service_context_store, maintenance_state)
    service_context_watcher = providers.Singleton(
        ServiceContextWatcher,
        database,
        service_context_store,
        maintenance_state,
        messages,
        poll_seconds=config.provided.MAINTENANCE_POLL_SECONDS,
    )
    maintenance_drain = providers.Singleton(
        MaintenanceDrain, database, service_context_store, poll_seconds=config.provided.MAINTENANCE_POLL_SECONDS
    )
    window_operator = providers.Factory(
        WindowOperator, service_context_service, service_context_store, maintenance_drain, close=database.provided.close
    )
