"""A change of a model is noticed, and the revision with it works in both directions."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import (
    URL,
    CheckConstraint,
    Column,
    Computed,
    Enum,
    Identity,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)
from sqlalchemy.schema import SchemaItem

from chassis.tests.migrations.models.changes import CHANGES, after_changes, before_changes
from chassis.tests.migrations.workbench import Workbench, open_workbench


@pytest.fixture(name="workbench")
async def _workbench(url: URL, tmp_path: Path) -> AsyncIterator[Workbench]:
    async with open_workbench(url, tmp_path / "migrations", MetaData()) as workbench:
        yield workbench


def one_table(*items: SchemaItem) -> MetaData:
    metadata = MetaData()
    Table("items", metadata, *items)
    return metadata


async def change(workbench: Workbench, before: MetaData, after: MetaData, *statements: str) -> str:
    """Execute the statements between two upgrades, and return the second revision."""
    workbench.metadata = before
    await workbench.migrate()
    await workbench.upgrade()
    await workbench.execute(*statements)
    workbench.metadata = after
    revision = await workbench.migrate("change")
    await workbench.upgrade()
    await workbench.check()
    return revision


async def test_every_kind_of_change_is_noticed_and_reverted(workbench: Workbench) -> None:
    revision = await change(workbench, before_changes(), after_changes())

    assert {name for name in CHANGES if not re.search(rf"(TABLE |TYPE |'){name}", revision)} == set()
    await workbench.downgrade("-1")
    workbench.metadata = before_changes()
    with workbench.without("change"):
        await workbench.check()
    workbench.metadata = after_changes()
    await workbench.upgrade()
    await workbench.check()


async def test_a_new_identity_continues_after_the_highest_key(workbench: Workbench) -> None:
    before = one_table(Column("id", Integer, primary_key=True), Column("name", Text))
    after = one_table(Column("id", Integer, Identity(always=True), primary_key=True), Column("name", Text))

    await change(workbench, before, after, "INSERT INTO items VALUES (41, 'a')")
    await workbench.execute("INSERT INTO items (name) VALUES ('b')")

    assert (await workbench.fetch("SELECT id FROM items ORDER BY id")) == [(41,), (42,)]


async def test_a_column_that_is_not_computed_any_more_keeps_its_values(workbench: Workbench) -> None:
    before = one_table(Column("a", Integer), Column("b", Integer, Computed("a * 2", persisted=True)))
    after = one_table(Column("a", Integer), Column("b", Integer))

    await change(workbench, before, after, "INSERT INTO items VALUES (21)")

    assert (await workbench.fetch("SELECT b FROM items")) == [(42,)]


async def test_an_enum_that_loses_a_member_keeps_the_values_of_its_columns(workbench: Workbench) -> None:
    before = one_table(Column("a", Enum("x", "y", name="letter"), server_default="y"))
    after = one_table(Column("a", Enum("y", "z", name="letter"), server_default="y"))

    await change(workbench, before, after, "INSERT INTO items VALUES ('y')")

    assert (await workbench.fetch("SELECT a::text FROM items")) == [("y",)]


async def test_an_index_of_a_table_in_use_may_be_created_concurrently(workbench: Workbench) -> None:
    before = one_table(Column("a", Integer))
    after = one_table(Column("a", Integer), Index("ix_items_a", "a", postgresql_concurrently=True))

    revision = await change(workbench, before, after)

    assert revision.count("with op.get_context().autocommit_block():") == 2
    await workbench.downgrade("-1")
    await workbench.upgrade()


async def test_an_index_that_was_not_completed_is_replaced(workbench: Workbench) -> None:
    models = one_table(Column("a", Integer), Index("ix_items_a", "a"))
    invalid = "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix_items_a'::regclass"

    revision = await change(workbench, models, models, invalid)

    assert "op.drop_index('ix_items_a'" in revision


async def test_a_restored_database_has_no_difference(workbench: Workbench) -> None:
    """PostgreSQL describes a check that was created from its own description in other words."""
    workbench.metadata = one_table(Column("a", String(9)), CheckConstraint("a IN ('x', 'y')", name="letters"))
    await workbench.migrate()
    await workbench.upgrade()
    await workbench.execute(
        *[
            "DO $$ DECLARE definition text := (SELECT pg_get_constraintdef(oid) FROM pg_constraint "
            "WHERE conname = 'letters'); "
            "BEGIN ALTER TABLE items DROP CONSTRAINT letters; "
            "EXECUTE 'ALTER TABLE items ADD CONSTRAINT letters ' || definition; END $$",
        ]
    )

    await workbench.check()
