"""Listeners that give SQLite the transactions and foreign keys that PostgreSQL has by itself."""

from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection


def adapt_sqlite(engine: Engine, *, foreign_keys: bool) -> None:
    """Begin transactions and check foreign keys.

    `foreign_keys=False` is for migrations: SQLite alters a table by copying it, and the drop would cascade.

    Source: https://alembic.sqlalchemy.org/en/latest/batch.html#dealing-with-referencing-foreign-keys
    """

    def set_foreign_keys(connection: DBAPIConnection, _record: object) -> None:
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA foreign_keys = {'ON' if foreign_keys else 'OFF'}")
        cursor.close()

    event.listen(engine, "connect", set_foreign_keys)
    event.listen(engine, "begin", _begin_immediately)


def _begin_immediately(connection: Connection) -> None:
    """Begin before the first statement; Python's driver begins at the first write, so a first savepoint would commit.

    Source: https://docs.sqlalchemy.org/en/latest/dialects/sqlite.html#pysqlite-serializable
    """
    driver_connection: Any = connection.connection.dbapi_connection
    if driver_connection.isolation_level is not None:  # None is autocommit
        connection.exec_driver_sql("BEGIN IMMEDIATE")
