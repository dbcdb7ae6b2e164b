"""Each constraint is violated for real; the error names the attributes of the model, or what stands in the way."""

import enum
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import pytest
from sqlalchemy import (
    CheckConstraint,
    Column,
    Enum,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    column,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from chassis.domain.exceptions import ConflictError, DomainError, ValidationError
from chassis.persistence.database import Database
from chassis.persistence.model import NAMING_CONVENTION, ModelExtension
from chassis.persistence.model_lookup import columns_of
from chassis.persistence.repository import Repository
from chassis.persistence.sqlite_violations import explain_sqlite_violation


class Constrained(ModelExtension):
    """Tables of their own, because SQLite has neither these types nor exclusion."""

    __abstract__ = True
    metadata = MetaData(naming_convention=NAMING_CONVENTION)


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Shelf(Constrained):
    __tablename__ = "sample_shelves"
    __table_args__ = (UniqueConstraint("hall", "number"),)
    id: Mapped[int] = mapped_column("shelf_id", primary_key=True)
    hall: Mapped[int] = mapped_column(default=0)
    number: Mapped[int] = mapped_column(default=0)
    parent_id: Mapped[int | None] = mapped_column("parent", ForeignKey("sample_shelves.shelf_id"))


class GoldLabel(Constrained):
    """Its key is the reference, under the same name, so that the columns of both sides are called alike."""

    __tablename__ = "sample_gold_labels"
    shelf_id: Mapped[int] = mapped_column(ForeignKey(Shelf.id), primary_key=True)
    deferred_id: Mapped[int | None] = mapped_column(ForeignKey(Shelf.id, deferrable=True, initially="DEFERRED"))


class DeferredLabel(Constrained):
    __tablename__ = "sample_deferred_labels"
    shelf_id: Mapped[int] = mapped_column(ForeignKey(Shelf.id, deferrable=True, initially="DEFERRED"), primary_key=True)


class Volume(Constrained):
    __tablename__ = "sample_volumes"
    __table_args__ = (
        ForeignKeyConstraint(["hall_number", "shelf_number"], [Shelf.hall, Shelf.number], onupdate="RESTRICT"),
        CheckConstraint("rank > 0 AND 'pages' <> ''"),
        CheckConstraint('"first" <= sample_volumes.last::int', name="order"),
        CheckConstraint("kind <> 7 AND label <> $$rank$$", name="unclear"),
        CheckConstraint(column("pages", Integer) < 1000),
        ExcludeConstraint((func.int4range(column("first"), column("last"), "[]"), "&&"), where=text("first > 0")),
        Index("ix_lent", "copy_number", unique=True, postgresql_where=text("lent")),
        Index("ix_label", func.coalesce(column("label"), "none"), column("kind"), unique=True),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    hall: Mapped[int | None] = mapped_column("hall_number")
    shelf: Mapped[int | None] = mapped_column("shelf_number")
    rank: Mapped[int] = mapped_column(default=1)
    pages: Mapped[int] = mapped_column(default=1)
    first: Mapped[int | None]
    last: Mapped[int | None]
    copy: Mapped[int | None] = mapped_column("copy_number")
    lent: Mapped[bool | None]
    label: Mapped[str | None] = mapped_column(String(10))
    kind: Mapped[int | None]
    color: Mapped[Color | None] = mapped_column(
        "colour", Enum(Color, native_enum=False, create_constraint=True, length=10)
    )


paintings = Table(
    "sample_paintings",
    Constrained.metadata,
    Column("volume_id", ForeignKey(Volume.id, ondelete="RESTRICT"), nullable=False),
)


class ShelfRepository(Repository):
    base_class = Shelf


class VolumeRepository(Repository):
    base_class = Volume


class GoldLabelRepository(Repository):
    base_class = GoldLabel


class DeferredLabelRepository(Repository):
    base_class = DeferredLabel


@pytest.fixture(name="constrained_tables", scope="session")
async def _constrained_tables(migrated_database: Database) -> AsyncIterator[None]:
    async with migrated_database.engine.connect() as connection:
        await connection.run_sync(Constrained.metadata.create_all)
    yield
    async with migrated_database.engine.connect() as connection:
        await connection.run_sync(Constrained.metadata.drop_all)


@pytest.fixture(name="shelves")
async def _shelves(database: Database, constrained_tables: None) -> ShelfRepository:
    async with database.engine.connect() as connection:
        for table in reversed(Constrained.metadata.sorted_tables):
            await connection.execute(table.delete())
    return ShelfRepository(database)


@pytest.fixture(name="volumes")
def _volumes(shelves: ShelfRepository) -> VolumeRepository:
    return VolumeRepository(shelves.database)


async def message_of(write: Awaitable[object], error: type[DomainError] = ConflictError) -> str | Mapping[str, str]:
    with pytest.raises(error) as raised:
        await write
    return raised.value.message


async def in_transaction(repository: Repository, call: Callable[[], Awaitable[object]]) -> None:
    async with repository.transaction():
        await call()


async def execute(database: Database, statement: str) -> None:
    async with database.session() as session:
        await session.execute(text(statement))


async def test_an_unknown_reference_names_each_of_its_fields(volumes: VolumeRepository) -> None:
    volume = await volumes.create({})
    reference = {"hall": 7, "shelf": 7}

    expected = {"hall": "does not exist", "shelf": "does not exist"}
    assert await message_of(volumes.create(reference)) == expected
    assert await message_of(volumes.update(volume.id, reference)) == expected


async def test_a_row_that_is_referred_to_names_the_model_that_refers_to_it(
    shelves: ShelfRepository, volumes: VolumeRepository
) -> None:
    shelf = await shelves.create({"hall": 1, "number": 1})
    await volumes.create({"hall": 1, "shelf": 1})

    expected = "It is still referred to by volume."
    assert await message_of(shelves.delete(shelf.id)) == expected
    assert await message_of(shelves.delete_all()) == expected
    assert await message_of(shelves.update(shelf.id, {"number": 2})) == expected


async def test_a_table_without_a_model_is_called_by_its_name(volumes: VolumeRepository) -> None:
    volume = await volumes.create({})
    insertion = "INSERT INTO sample_paintings (volume_id) VALUES "
    await execute(volumes.database, f"{insertion} ({volume.id})")

    assert await message_of(execute(volumes.database, f"{insertion} (0)")) == {"volume_id": "does not exist"}
    assert await message_of(volumes.delete(volume.id)) == "It is still referred to by sample_paintings."


@pytest.mark.parametrize("number", [2**31, 2**63 - 1, 2**63, -(2**31) - 1])
async def test_an_integer_beyond_its_column_is_named(shelves: ShelfRepository, number: int) -> None:
    shelf = await shelves.create({"number": 2**31 - 1})
    beyond = {"number": "is out of the range that can be stored"}

    assert await message_of(shelves.create({"parent_id": number})) == {"parent_id": "does not exist"}
    assert await message_of(shelves.update(shelf.id, {"parent_id": number})) == {"parent_id": "does not exist"}
    assert await message_of(shelves.create_many([{"number": number}]), ValidationError) == beyond
    assert await message_of(shelves.update_all({"id": shelf.id}, {"number": number}), ValidationError) == beyond


async def test_a_reference_within_a_table_is_decided_by_its_columns(shelves: ShelfRepository) -> None:
    shelf = await shelves.create({})
    child = await shelves.create({"number": 1, "parent_id": shelf.id})

    assert await message_of(shelves.update(child.id, {"parent_id": 0})) == {"parent_id": "does not exist"}
    assert await message_of(shelves.update(shelf.id, {"id": 10**6})) == "It is still referred to by shelf."
    assert await message_of(shelves.delete(shelf.id)) == "It is still referred to by shelf."


async def test_a_reference_between_columns_of_one_name_is_decided_by_the_statement(shelves: ShelfRepository) -> None:
    labels = GoldLabelRepository(shelves.database)
    shelf = await shelves.create({})
    await labels.create({"shelf_id": shelf.id})

    assert await message_of(labels.create({"shelf_id": 0})) == {"shelf_id": "does not exist"}
    assert await message_of(labels.update(shelf.id, {"shelf_id": 0})) == {"shelf_id": "does not exist"}
    assert await message_of(shelves.update(shelf.id, {"id": 10**6})) == "It is still referred to by gold label."
    assert await message_of(shelves.delete(shelf.id)) == "It is still referred to by gold label."


async def test_a_deferred_reference_is_reported_when_the_transaction_ends(shelves: ShelfRepository) -> None:
    labels = GoldLabelRepository(shelves.database)
    shelf, other = await shelves.create({}), await shelves.create({"number": 1})
    await labels.create({"shelf_id": shelf.id, "deferred_id": other.id})

    late = in_transaction(labels, lambda: labels.update(shelf.id, {"deferred_id": 0}))
    assert await message_of(late) == {"deferred_id": "does not exist"}
    late = in_transaction(shelves, lambda: shelves.delete(other.id))
    assert await message_of(late) == "It is still referred to by gold label."


async def test_a_deferred_reference_that_could_be_either_side_names_both(shelves: ShelfRepository) -> None:
    labels = DeferredLabelRepository(shelves.database)
    shelf = await shelves.create({})
    await labels.create({"shelf_id": shelf.id})

    expected = "The reference from deferred label to shelf does not hold."
    assert await message_of(in_transaction(labels, lambda: labels.create({"shelf_id": 0}))) == expected
    assert await message_of(in_transaction(shelves, lambda: shelves.delete(shelf.id))) == expected
    assert await message_of(labels.create({"shelf_id": 0})) == {"shelf_id": "does not exist"}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"copy": 1, "lent": True}, {"copy": "already exists"}),
        ({"label": "none", "kind": 1}, {"label": "already exists", "kind": "already exists"}),
    ],
)
async def test_a_duplicate_names_the_columns_of_a_partial_index_and_of_expressions(
    volumes: VolumeRepository, data: dict[str, Any], message: object
) -> None:
    await volumes.create(data)

    assert await message_of(volumes.create(data)) == message


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"rank": 0}, {"rank": "is not allowed"}),
        ({"pages": 1000}, {"pages": "is not allowed"}),
        ({"first": 2, "last": 1}, {"first": "is not allowed", "last": "is not allowed"}),
    ],
)
async def test_a_violated_check_names_its_columns(
    volumes: VolumeRepository, data: dict[str, Any], message: object
) -> None:
    volume = await volumes.create({})

    assert await message_of(volumes.create(data), ValidationError) == message
    assert await message_of(volumes.update(volume.id, data), ValidationError) == message


async def test_a_check_that_is_not_clear_or_not_in_a_model_names_nothing(volumes: VolumeRepository) -> None:
    await execute(volumes.database, "ALTER TABLE sample_volumes ADD CONSTRAINT later CHECK (kind < 10)")
    try:
        for kind in (7, 10):
            assert await message_of(volumes.create({"kind": kind}), ValidationError) == "A value is not allowed."
    finally:
        await execute(volumes.database, "ALTER TABLE sample_volumes DROP CONSTRAINT later")


async def test_an_unknown_member_of_an_enum_names_its_field(volumes: VolumeRepository) -> None:
    statement = "INSERT INTO sample_volumes (rank, pages, colour) VALUES (1, 1, 'GREEN')"

    message = await message_of(execute(volumes.database, statement), ValidationError)

    assert message == {"color": "is not allowed"}


async def test_overlapping_ranges_name_their_columns(volumes: VolumeRepository) -> None:
    await volumes.create({"first": 1, "last": 5})

    message = await message_of(volumes.create({"first": 5, "last": 9}))

    assert message == {"first": "conflicts with existing data", "last": "conflicts with existing data"}


@pytest.mark.parametrize(
    ("sql", "columns"),
    [
        ("length(label) > kind", ["label", "kind"]),
        ("label IN ('kind', 'it''s rank') OR first IS DISTINCT FROM last", ["label", "first", "last"]),
        ('"rank"::kind > CAST(pages AS first)', ["rank", "pages"]),
        ("rank('a') > PAGES", ["pages"]),
        ("label <> E'\\'kind'", []),
        ("kind > 1 -- rank", []),
    ],
)
def test_finds_the_columns_of_sql(sql: str, columns: list[str]) -> None:
    constraint = CheckConstraint(sql)
    Table("volumes", MetaData(), *(Column(c.name) for c in Volume.__table__.columns), constraint)

    assert columns_of(constraint) == columns


@pytest.mark.parametrize(
    ("state", "constraint", "message"),
    [
        ("23505", "uq_sample_shelves__hall__number", {"hall": "already exists", "number": "already exists"}),
        ("23505", "unknown", "It exists already."),
        ("23503", "fk_sample_shelves_parent__sample_shelves", "The reference from shelf to shelf does not hold."),
        ("23503", "unknown", "It refers to, or is referred to by, something else."),
        ("23001", "unknown", "It is still referred to by shelf."),
        ("23P01", "unknown", "It conflicts with existing data."),
    ],
)
async def test_a_violation_without_a_detail_is_known_by_its_constraint(
    shelves: ShelfRepository, state: str, constraint: str, message: object
) -> None:
    """The server sends no DETAIL to a role that may not read the table."""
    options = f"ERRCODE = '{state}', TABLE = 'sample_shelves', SCHEMA = 'public', CONSTRAINT = '{constraint}'"

    assert await message_of(execute(shelves.database, f"DO $$ BEGIN RAISE 'no' USING {options}; END $$")) == message


@pytest.mark.parametrize(
    ("statement", "reported", "message"),
    [
        (
            "INSERT INTO sample_volumes",
            "UNIQUE constraint failed: sample_volumes.hall_number, sample_volumes.shelf_number",
            {"hall": "already exists", "shelf": "already exists"},
        ),
        (
            "UPDATE sample_volumes",
            "UNIQUE constraint failed: index 'ix_label'",
            {"label": "already exists", "kind": "already exists"},
        ),
        (
            'INSERT INTO "sample_volumes"',
            "CHECK constraint failed: ck_sample_volumes_order",
            {"first": "is not allowed", "last": "is not allowed"},
        ),
        ("UPDATE sample_volumes", "CHECK constraint failed: unknown", "A value is not allowed."),
        (
            "INSERT INTO sample_volumes",
            "FOREIGN KEY constraint failed",
            {"hall": "does not exist", "shelf": "does not exist"},
        ),
        ("DELETE FROM sample_volumes", "FOREIGN KEY constraint failed", "It is still referred to by sample_paintings."),
        *(
            (statement, "FOREIGN KEY constraint failed", "It refers to, or is referred to by, something else.")
            for statement in ("UPDATE sample_volumes", "DELETE FROM sample_shelves", None)
        ),
    ],
)
def test_reads_the_messages_of_sqlite(statement: str | None, reported: str, message: object) -> None:
    error = explain_sqlite_violation(IntegrityError(statement, None, Exception(reported)))

    assert error is not None
    assert error.message == message


def test_a_missing_value_is_a_bug_on_sqlite() -> None:
    reported = Exception("NOT NULL constraint failed: sample_volumes.rank")

    assert explain_sqlite_violation(IntegrityError("INSERT INTO sample_volumes", None, reported)) is None
