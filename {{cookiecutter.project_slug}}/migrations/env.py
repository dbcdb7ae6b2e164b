"""Alembic runs this file for every command that needs a database, or writes SQL for one."""

import src.infrastructure.models  # noqa: F401 - registers the models of the service
from chassis.maintenance.table import ServiceContextModel
from chassis.persistence.alembic_env import run_migrations
from src.config import Config

run_migrations(ServiceContextModel.metadata, lambda: Config.load().SQLALCHEMY_DATABASE_URI)
