"""Workers as far as the database knows them: each has the connection that receives notifications."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from sqlalchemy import URL

from chassis.dev.testing.databases import PATIENT
from chassis.maintenance.state import MaintenanceState
from chassis.maintenance.store import SQLServiceContextStore
from chassis.maintenance.watcher import ServiceContextWatcher
from chassis.persistence.database import Database
from chassis.persistence.messages import PostgreSQLMessages


@asynccontextmanager
async def run_worker(url: URL, service: str = "messages of the tests") -> AsyncIterator[PostgreSQLMessages]:
    database = Database(url, replace(PATIENT, application_name=service))
    messages = PostgreSQLMessages(database)
    state, store = MaintenanceState(database.close), SQLServiceContextStore(database)
    async with ServiceContextWatcher(database, store, state, messages, poll_seconds=60).running(lambda: 0):
        yield messages
    await database.close()
