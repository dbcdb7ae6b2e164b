from sqlalchemy import text

from chassis.dev.testing.fixtures import empty_tables
from chassis.persistence.database import Database

NEXT_VALUE = text("SELECT nextval('\"Numbers\"')")


async def test_restarts_identities_with_the_tables(database: Database) -> None:
    async with database.engine.connect() as connection:
        await connection.execute(text('CREATE SEQUENCE "Numbers" START 5 INCREMENT 2'))
        try:
            before = [await connection.scalar(NEXT_VALUE) for _ in range(2)]
            await empty_tables(database)
            after = await connection.scalar(NEXT_VALUE)
        finally:
            await connection.execute(text('DROP SEQUENCE "Numbers"'))

    assert (before, after) == ([5, 7], 5)
