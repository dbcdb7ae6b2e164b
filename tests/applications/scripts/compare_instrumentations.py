"""Prints the names of the spans of one statement and one transaction, for each way to instrument the database."""

import asyncio
import json
import os

from chassis.persistence.database import Database
from chassis.persistence.url import parse_url
from opentelemetry import trace
from opentelemetry.instrumentation.asyncpg import AsyncPGInstrumentor
from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sqlalchemy import text

exporter, provider = InMemorySpanExporter(), TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)


async def print_spans(database: Database) -> None:
    exporter.clear()
    async with database.session() as session:
        await session.execute(text("SELECT 1"))
    async with database.transaction(), database.session() as session:
        await session.execute(text("SELECT 2"))
    print(json.dumps([span.name for span in exporter.get_finished_spans()]))


async def main() -> None:
    database = Database(parse_url(os.environ["SQLALCHEMY_DATABASE_URI"]))
    engine = database.engine.sync_engine
    SQLAlchemyInstrumentor().instrument(engine=engine)
    await print_spans(database)
    SQLAlchemyInstrumentor().instrument(engine=engine, skip_dep_check=True)
    await print_spans(database)
    AsyncPGInstrumentor().instrument()  # type: ignore[no-untyped-call]
    await print_spans(database)
    SQLAlchemyInstrumentor().uninstrument()
    await print_spans(database)
    await database.close()


asyncio.run(main())
