"""Every kind of column, default, constraint and index obeys one law: migrate, upgrade, check, and back again."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlalchemy
import sqlalchemy.types
from sqlalchemy import URL, Column, Integer, MetaData, Table, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

from chassis.config import ROOT
from chassis.tests.migrations.models import tables  # noqa: F401 - imports all models
from chassis.tests.migrations.models.types import EXTENSION_TYPES, TYPES, Kind
from chassis.tests.migrations.workbench import Workbench, open_workbench

NOT_OF_POSTGRESQL = {"BINARY", "BLOB", "CLOB", "DATETIME", "DOUBLE", "NVARCHAR", "VARBINARY"}
NOT_OF_COLUMNS = {"MatchType", "NullType", "TupleType"}
BASES = {
    *("AbstractMultiRange", "AbstractRange", "AbstractSingleRange", "NamedType"),
    *("TypeDecorator", "TypeEngine", "UserDefinedType", "Variant"),
}


@pytest.fixture(name="workbench")
async def _workbench(url: URL, tmp_path: Path) -> AsyncIterator[Workbench]:
    async with open_workbench(url, tmp_path / "migrations", Kind.metadata) as workbench:
        yield workbench


def without_most_tables() -> MetaData:
    """Return the tables in schemas, for autogenerate ignores a schema that no model uses, and what they refer to."""
    metadata = MetaData(naming_convention=Kind.metadata.naming_convention)
    for table in Kind.metadata.tables.values():
        if table.schema or table.name == "Tenant of the Group":
            table.to_metadata(metadata)
    return metadata


def test_covers_every_type_of_sqlalchemy_and_postgresql() -> None:
    modules = (sqlalchemy, sqlalchemy.types, postgresql)
    exported = {value for module in modules for value in vars(module).values() if isinstance(value, type)}
    types = {value for value in exported if issubclass(value, TypeEngine) and not value.__name__.startswith("_")}

    uncovered = types - {type(type_) for type_ in (TYPES | EXTENSION_TYPES).values()}

    assert {type_.__name__ for type_ in uncovered} == NOT_OF_POSTGRESQL | NOT_OF_COLUMNS | BASES


def test_covers_many_columns_constraints_and_indexes() -> None:
    all_tables = Kind.metadata.tables.values()

    assert sum(len(table.columns) for table in all_tables) >= 60
    assert sum(len(table.constraints) + len(table.indexes) for table in all_tables) >= 60


async def test_migrates_up_and_down_and_finds_no_difference(workbench: Workbench) -> None:
    await workbench.migrate()
    await workbench.upgrade()
    await workbench.check()
    await workbench.downgrade()
    assert await workbench.leftovers() == set()
    await workbench.upgrade()
    await workbench.check()


async def test_a_downgrade_restores_dropped_tables(workbench: Workbench) -> None:
    await workbench.migrate()
    await workbench.upgrade()
    workbench.metadata = without_most_tables()
    await workbench.migrate("drop")
    await workbench.upgrade()
    await workbench.downgrade("-1")
    workbench.metadata = Kind.metadata

    with workbench.without("drop"):
        await workbench.check()


async def test_a_revision_is_formatted_and_passes_the_checks_of_the_project(
    workbench: Workbench, tmp_path: Path
) -> None:
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    await workbench.migrate(hooks=True)

    files = [str(revision) for revision in workbench.revisions()]
    for tool in (["ruff", "format", "--check"], ["ruff", "check"], ["mypy", "--config-file", "pyproject.toml"]):
        command = [sys.executable, "-m", *tool, *files]
        result = await asyncio.to_thread(subprocess.run, command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("extension", EXTENSION_TYPES)
async def test_creates_the_extension_of_a_type(workbench: Workbench, extension: str) -> None:
    available = text("SELECT count(*) FROM pg_available_extensions WHERE name = :name")
    if not await workbench.connection.scalar(available, {"name": extension}):
        pytest.skip(f"This PostgreSQL does not have the extension {extension}.")
    workbench.metadata = MetaData()
    table = Table("texts", workbench.metadata, Column("id", Integer, primary_key=True))
    table.append_column(Column("content", EXTENSION_TYPES[extension]))

    await workbench.migrate()
    await workbench.upgrade()
    await workbench.check()
    await workbench.downgrade()

    assert await workbench.leftovers() == set()
