"""The twin of a table: a temporary table that PostgreSQL creates from the model, and forgets again."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from alembic.util import CommandError
from sqlalchemy import Connection, Constraint, Dialect, Index, Table
from sqlalchemy.exc import CompileError, DBAPIError, SAWarning
from sqlalchemy.schema import CreateIndex, CreateTable, ExecutableDDLElement

from chassis.persistence.autogenerate.catalog import qualified_name


def twin_name(table: Table, connection: Connection) -> str:
    return qualified_name(table, connection.dialect, schema="pg_temp")


def create_twin(connection: Connection, table: Table) -> None:
    """Raises:
    CommandError: the table cannot be created as its model describes it.
    """
    try:
        for statement in _statements(connection, table):
            connection.exec_driver_sql(statement)
    except (CompileError, DBAPIError) as error:
        reason = error.orig if isinstance(error, DBAPIError) else error
        msg = f"The table {table.fullname} cannot be created as its model describes it: {reason}"
        raise CommandError(msg) from error


def applies(item: Constraint | Index, dialect: Dialect) -> bool:
    """Return whether the conditions of `ddl_if()` are met."""
    condition = getattr(item, "_ddl_if", None)
    compiler = dialect.ddl_compiler(dialect, None)  # type: ignore[arg-type]
    return condition is None or condition._should_execute(None, item, None, compiler=compiler)  # noqa: SLF001


@contextmanager
def rolled_back(connection: Connection) -> Iterator[None]:
    with connection.begin_nested() as savepoint:
        yield
        savepoint.rollback()


def _statements(connection: Connection, table: Table) -> Iterator[str]:
    """Leave out foreign keys, which a temporary table cannot have; Alembic compares them well."""
    name, twin = connection.dialect.identifier_preparer.format_table(table), twin_name(table, connection)
    _, _, body = _compile(connection, CreateTable(table, include_foreign_key_constraints=[])).partition(f" {name} ")
    yield f"CREATE TABLE {twin} {body}"
    for index in (index for index in table.indexes if applies(index, connection.dialect)):
        head, _, body = _compile(connection, CreateIndex(index)).partition(f" ON {name} ")
        yield f"{head.replace(' INDEX CONCURRENTLY ', ' INDEX ', 1)} ON {twin} {body}"


def _compile(connection: Connection, element: ExecutableDDLElement) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SAWarning)  # about computed columns, once more
        return str(element.compile(dialect=connection.dialect))
