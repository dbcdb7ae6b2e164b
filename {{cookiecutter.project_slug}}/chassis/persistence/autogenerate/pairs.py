"""Each table is compared with its twin, in the words of PostgreSQL.

Alembic compares texts, but PostgreSQL stores `'{}'` as `'{}'::jsonb` and `a IN (1, 2)` as `a = ANY (ARRAY[1, 2])`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import Connection, MetaData, Table
from sqlalchemy.exc import DBAPIError

from chassis.persistence.autogenerate.catalog import TableDescription, qualified_name, read_tables
from chassis.persistence.autogenerate.enums import find_enum_changes
from chassis.persistence.autogenerate.requirements import find_missing, managed_tables
from chassis.persistence.autogenerate.twins import create_twin, rolled_back, twin_name

Description = TypeVar("Description")


@dataclass(frozen=True)
class Pair:
    database: TableDescription
    model: TableDescription


def describe_pairs(connection: Connection, metadata: MetaData) -> dict[str, Pair]:
    """Return the descriptions of all tables that have a model and exist, by their qualified names in SQL."""
    tables = {qualified_name(table, connection.dialect): table for table in managed_tables(metadata)}
    database = read_tables(connection, tables)
    pairs: dict[str, Pair] = {}
    with rolled_back(connection):
        for statement in _prepare(connection, metadata) if database else ():
            connection.exec_driver_sql(statement)
        for schema in {tables[name].schema for name in database}:  # names are unique within a schema
            in_schema = {name: tables[name] for name in database if tables[name].schema == schema}
            pairs.update(_describe(connection, in_schema, database))
    return pairs


def _prepare(connection: Connection, metadata: MetaData) -> list[str]:
    """Return what must be executed before the twins can be created."""
    missing = [requirement.create for requirement in find_missing(connection, metadata)]
    changes = find_enum_changes(connection, metadata)
    return [*missing, *(statement for change in changes for statement in change.replace(change.after))]


def _describe(
    connection: Connection, tables: Mapping[str, Table], database: Mapping[str, TableDescription]
) -> Iterator[tuple[str, Pair]]:
    with rolled_back(connection):
        for table in tables.values():
            create_twin(connection, table)
        models = read_tables(connection, [twin_name(table, connection) for table in tables.values()])
    for name, table in tables.items():
        twin = twin_name(table, connection)
        yield name, Pair(_reconcile(connection, twin, database[name], models[twin]), models[twin])


def _reconcile(
    connection: Connection, twin: str, database: TableDescription, model: TableDescription
) -> TableDescription:
    """Return the first description in words of the second one, where they are the same to PostgreSQL.

    A table that was restored from a dump has another description than before, because PostgreSQL
    does not always describe a table that was created from a description in the same way.
    """
    if database == model:
        return model
    try:
        again = [_describe_again(connection, twin, description) for description in (database, model)]
    except DBAPIError:
        return database
    return TableDescription(
        columns=_choose(database.columns, model.columns, *[each.columns for each in again]),
        constraints=_choose(database.constraints, model.constraints, *[each.constraints for each in again]),
        indexes=_choose(database.indexes, model.indexes, *[each.indexes for each in again]),
    )


def _describe_again(connection: Connection, twin: str, description: TableDescription) -> TableDescription:
    with rolled_back(connection):
        for statement in description.create(twin, connection.dialect):
            connection.exec_driver_sql(statement)
        return read_tables(connection, [twin])[twin]


def _choose(
    database: Mapping[str, Description],
    model: Mapping[str, Description],
    database_again: Mapping[str, Description],
    model_again: Mapping[str, Description],
) -> dict[str, Description]:
    equal = {name for name in model if name in database_again and database_again[name] == model_again[name]}
    return {name: model[name] if name in equal else description for name, description in database.items()}
