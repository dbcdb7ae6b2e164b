"""Prints the URI of the temporary database that `chassis.dev.postgres` has started, then executes SQL in any."""

import asyncio
import json
import os
import sys

from sqlalchemy import NullPool, text
from sqlalchemy.ext.asyncio import create_async_engine


async def execute(uri: str, sql: str) -> None:
    engine = create_async_engine(uri, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.execute(text(sql))


print(os.environ["SQLALCHEMY_DATABASE_URI"], flush=True)
for line in sys.stdin:
    asyncio.run(execute(*json.loads(line)))
    print("done", flush=True)
