"""Faults of Alembic and SQLAlchemy that `chassis/persistence/autogenerate/` works around.

If one of these tests fails after an upgrade, the fault has been mended, and the way around can go.
"""

from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

import pytest
from alembic.autogenerate import produce_migrations, render_python_code
from alembic.ddl import impl
from alembic.ddl.postgresql import PostgresqlImpl
from alembic.operations import Operations
from alembic.operations.ops import DropConstraintOp, DropTableOp, ModifyTableOps, UpgradeOps
from alembic.runtime.migration import MigrationContext
from sqlalchemy import (
    JSON,
    URL,
    CheckConstraint,
    Column,
    Computed,
    Connection,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    inspect,
    text,
)
from sqlalchemy.dialects.postgresql import INET, JSONPATH, ExcludeConstraint
from sqlalchemy.exc import DBAPIError, SAWarning
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.schema import SchemaItem

from chassis.persistence.engine import create_migration_engine

Result = TypeVar("Result")


@pytest.fixture(name="connection")
async def _connection(url: URL, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[AsyncConnection]:
    """A connection on which Alembic is as its authors have written it."""
    monkeypatch.setitem(impl._impls, "postgresql", PostgresqlImpl)
    async with create_migration_engine(url).connect() as connection:
        yield connection


def one_table(*items: SchemaItem) -> MetaData:
    metadata = MetaData()
    Table("things", metadata, *items)
    return metadata


def compare(connection: Connection, metadata: MetaData, **options: Any) -> UpgradeOps:
    context = MigrationContext.configure(connection, opts={"target_metadata": metadata, **options})
    operations = produce_migrations(context, metadata).upgrade_ops
    assert operations is not None
    return operations


def render(connection: Connection, metadata: MetaData) -> str:
    return render_python_code(compare(connection, metadata))


async def run(
    connection: AsyncConnection, database: MetaData, function: Callable[..., Result], *arguments: object, **options: Any
) -> Result:
    """Create the tables, and call the function with a connection."""
    await connection.run_sync(database.create_all)
    return await connection.run_sync(function, *arguments, **options)


async def test_a_function_for_defaults_fails_for_an_identity(connection: AsyncConnection) -> None:
    models = one_table(Column("id", Integer, Identity(), primary_key=True))

    with pytest.raises(AttributeError, match="'Identity' object has no attribute 'arg'"):
        await run(connection, models, compare, models, compare_server_default=lambda *_: None)


async def test_defaults_of_json_are_compared_by_an_operator_that_does_not_exist(connection: AsyncConnection) -> None:
    models = one_table(Column("a", JSON, server_default="{}"))

    with pytest.raises(DBAPIError, match="operator does not exist: json"):
        await run(connection, models, compare, models, compare_server_default=True)


async def test_a_default_in_quotes_loses_them(connection: AsyncConnection) -> None:
    models = one_table(Column("a", Text, server_default="'quoted'"))

    assert "server_default='quoted'" in await run(connection, MetaData(), render, models)


async def test_a_colon_is_not_escaped(connection: AsyncConnection) -> None:
    models = one_table(Column("a", Text, server_default=text("'\\:x'")))

    assert """sa.text("':x'")""" in await run(connection, MetaData(), render, models)


async def test_a_changed_identity_is_added_once_more(connection: AsyncConnection) -> None:
    before = one_table(Column("a", Integer, Identity()))
    after = one_table(Column("a", Integer, Identity(always=True)))

    assert "existing_server_default" not in await run(connection, before, render, after)


async def test_a_changed_computed_column_is_only_warned_of(connection: AsyncConnection) -> None:
    before = one_table(Column("a", Integer), Column("b", Integer, Computed("a + 1", persisted=True)))
    after = one_table(Column("a", Integer), Column("b", Integer, Computed("a + 2", persisted=True)))

    with pytest.warns(UserWarning, match="cannot be modified"):
        operations = await run(connection, before, compare, after, compare_server_default=True)

    assert operations.is_empty()


async def test_the_check_of_a_column_is_lost(connection: AsyncConnection) -> None:
    models = one_table(Column("a", Integer, CheckConstraint("a > 0", name="positive")))

    assert "positive" not in await run(connection, MetaData(), render, models)


async def test_a_changed_check_is_not_noticed(connection: AsyncConnection) -> None:
    before = one_table(Column("a", Integer), CheckConstraint("a > 0", name="range"))
    after = one_table(Column("a", Integer), CheckConstraint("a > 1", name="range"))

    assert (await run(connection, before, compare, after)).is_empty()


async def test_an_exclusion_loses_its_operator_class(connection: AsyncConnection) -> None:
    models = one_table(Column("a", INET), ExcludeConstraint(("a", "&&"), name="apart", ops={"a": "inet_ops"}))

    rendered = await run(connection, MetaData(), render, models)

    assert "apart" in rendered
    assert "inet_ops" not in rendered


async def test_a_foreign_key_of_a_cycle_is_left_to_create_table_which_leaves_it_out(
    connection: AsyncConnection,
) -> None:
    models = one_table(Column("id", Integer, primary_key=True), Column("a", ForeignKey("others.id", use_alter=True)))
    Table("others", models, Column("id", Integer, ForeignKey("things.id"), primary_key=True))

    rendered = await run(connection, MetaData(), render, models)

    assert "use_alter=True" in rendered
    assert "create_foreign_key" not in rendered


async def test_a_table_is_dropped_before_the_foreign_key_that_refers_to_it(connection: AsyncConnection) -> None:
    before = one_table(Column("a", ForeignKey("others.id", name="fk")))
    Table("others", before, Column("id", Integer, primary_key=True))
    after = one_table(Column("a", Integer))

    first, second = (await run(connection, before, compare, after)).ops

    assert isinstance(first, DropTableOp)
    assert isinstance(second, ModifyTableOps)
    assert isinstance(second.ops[0], DropConstraintOp)


async def test_a_unique_constraint_cannot_include_a_column(connection: AsyncConnection) -> None:
    def create(sync_connection: Connection) -> None:
        operations = Operations(MigrationContext.configure(sync_connection))
        operations.create_unique_constraint("unique_a", "things", ["a"], postgresql_include=["b"])

    with pytest.raises(KeyError, match="b"):
        await run(connection, one_table(Column("a", Integer), Column("b", Integer)), create)


async def test_a_unique_constraint_that_the_primary_key_makes_redundant_is_added_again(
    connection: AsyncConnection,
) -> None:
    models = one_table(Column("a", Integer, primary_key=True), UniqueConstraint("a", name="unique_a"))

    assert "create_unique_constraint" in await run(connection, models, render, models)


async def test_sqlalchemy_does_not_read_the_collation_of_an_index(connection: AsyncConnection) -> None:
    models = one_table(Column("a", Text), Index("ix", text('a COLLATE "C"')))

    indexes = await run(connection, models, lambda sync: inspect(sync).get_indexes("things"))

    assert "COLLATE" not in str(indexes)


async def test_sqlalchemy_does_not_read_every_type_that_it_knows(connection: AsyncConnection) -> None:
    models = one_table(Column("a", JSONPATH))

    with pytest.warns(SAWarning, match="Did not recognize type 'jsonpath'"):
        await run(connection, models, lambda sync: inspect(sync).get_columns("things"))
