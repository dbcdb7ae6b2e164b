"""Names of constraints and indexes never collide, and PostgreSQL never has to shorten one."""

import enum
import os
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import (
    CheckConstraint,
    Column,
    Enum,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import INT4RANGE, ExcludeConstraint
from sqlalchemy.schema import SchemaItem

from chassis.config import ROOT
from chassis.maintenance.table import ServiceContextModel
from chassis.persistence.model import NAMING_CONVENTION
from chassis.persistence.naming import DIALECT

IDENTIFIERS = st.text("ab_ä", min_size=1, max_size=4)
COLUMNS = st.lists(IDENTIFIERS, min_size=1, max_size=3, unique=True)
PREPARER = DIALECT.identifier_preparer


class Color(enum.Enum):
    RED = 1


def make_table(name: str, *items: SchemaItem) -> Table:
    columns = [Column(column, Integer) for column in ("a", "b", "b_c")]
    return Table(name, MetaData(naming_convention=NAMING_CONVENTION), *columns, *items)


def names_of(table: Table) -> list[str]:
    """Return the names of all constraints and indexes in the database, in any order."""
    constraints = [PREPARER.format_constraint(each) for each in table.constraints]
    return [name for name in (*constraints, *map(PREPARER.format_index, table.indexes)) if name]


def name_of_index(table: str, columns: list[str]) -> str:
    items = [Column(column, Integer) for column in columns]
    index = Index(None, *columns)
    Table(table, MetaData(naming_convention=NAMING_CONVENTION), *items, index)
    return str(index.name)


@pytest.mark.parametrize(
    ("item", "name"),
    [
        (Column("email", Text, index=True), "ix_things_email"),
        (Column("email", Text, unique=True), "uq_things_email"),
        (Column("owner_id", ForeignKey("users.id")), "fk_things_owner_id_users"),
        (Column("owner_id", ForeignKey("app_users.id")), "fk_things_owner_id__app_users"),
        (Column("owner_id", ForeignKey("auth.users.id")), "fk_things_owner_id__auth__users"),
        (PrimaryKeyConstraint("a"), "pk_things"),
        (CheckConstraint("a > 0", name="positive"), "ck_things_positive"),
        (UniqueConstraint("a", "b"), "uq_things__a__b"),
        (Index(None, "a", "b"), "ix_things__a__b"),
        (ForeignKeyConstraint(["a", "b"], ["users.a", "users.b"]), "fk_things_a__b__users"),
        (UniqueConstraint("a", name="mine"), "mine"),
    ],
)
def test_names_list_the_table_and_its_columns(item: SchemaItem, name: str) -> None:
    assert name in names_of(make_table("things", item))


def test_the_names_of_the_shipped_table_are_those_of_its_revision() -> None:
    table = ServiceContextModel.metadata.tables["service_context"]

    assert {constraint.name for constraint in table.constraints} == {"pk_service_context", "ck_service_context_one_row"}


def test_names_of_different_constraints_and_indexes_differ() -> None:
    ranges = Column("during", INT4RANGE)
    items: list[SchemaItem] = [
        UniqueConstraint("a", "b"),
        UniqueConstraint("a", "b_c"),
        UniqueConstraint("a"),
        ForeignKeyConstraint(["a", "b"], ["users.a", "users.b"]),
        ForeignKeyConstraint(["a"], ["users.a"]),
        ForeignKeyConstraint(["b"], ["c_users.a"]),
        ForeignKeyConstraint(["b_c"], ["users.a"]),
        CheckConstraint("a > 0"),
        CheckConstraint("a >= 0"),
        CheckConstraint("a > 0 AND b > 0"),
        CheckConstraint("a > 0", name="positive"),
        Column("color", Enum(Color, native_enum=False, create_constraint=True)),
        Column("lining", Enum(Color, native_enum=False, create_constraint=True)),
        Index(None, "a"),
        Index(None, "a", "b"),
        Index(None, func.abs(text("a"))),
        Index(None, text("abs(b)")),
        Index(None, "a", postgresql_where=text("a > 0")),
        Index(None, "a", postgresql_where=text("a > 1")),
        Index(None, "a", postgresql_using="hash"),
        ranges,
        ExcludeConstraint(("during", "&&")),
        ExcludeConstraint(("during", "=")),
        ExcludeConstraint(("during", "&&"), where=text("a > 0")),
    ]
    names = names_of(make_table("things", *items))

    assert len(set(names)) == len(names) == len(items)  # a column without a constraint, and the primary key


def test_names_are_the_same_in_every_process() -> None:
    script = (
        "from chassis.tests.migrations.models.tables import Kind\n"
        "tables = Kind.metadata.tables.values()\n"
        "print(sorted(str(item.name) for table in tables for item in (*table.constraints, *table.indexes)))\n"
    )
    command = [sys.executable, "-c", script]

    names = {
        subprocess.run(
            command, cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    }

    assert len(names) == 1


@settings(max_examples=300, derandomize=True, database=None)
@given(IDENTIFIERS, COLUMNS, IDENTIFIERS, COLUMNS)
def test_names_of_indexes_on_different_columns_differ(
    table: str, columns: list[str], other_table: str, other_columns: list[str]
) -> None:
    """An index of any table of a schema may have no name that another one has."""
    is_same = (table, columns) == (other_table, other_columns)

    assert (name_of_index(table, columns) == name_of_index(other_table, other_columns)) is is_same


def test_names_fit_and_differ_even_if_identifiers_are_long() -> None:
    long = "ä" * 30
    columns = [Column(f"{long}{number}", Integer, index=True, unique=number == 1) for number in range(3)]
    references = [ForeignKeyConstraint([column.name], [f"{long}.id"]) for column in columns]
    checks = [CheckConstraint(f"{column.name} > 0", name=f"{column.name}_is_positive") for column in columns]

    names = names_of(make_table(long, *columns, *references, *checks))

    assert len(set(names)) == len(names) == 10
    assert [name for name in names if len(name.strip('"').encode()) > 63] == []
