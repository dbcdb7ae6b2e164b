"""An entity holds others if its model has the relationship; they are read with it, whatever the number of rows."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest
from sqlalchemy import Column, ForeignKey, String, Table, event, insert
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, mapped_column, relationship, synonym

from chassis.domain.exceptions import ConflictError, NotFoundError, ValidationError
from chassis.persistence.repository import Repository
from chassis.tests.persistence.samples import Sample, UserRepository
from chassis.tests.persistence.test_locks import wait_for_a_blocked_statement

novel_genres = Table(
    "sample_novel_genres",
    Sample.metadata,
    Column("novel_id", ForeignKey("sample_novels.id"), primary_key=True),
    Column("genre_id", ForeignKey("sample_genres.id"), primary_key=True),
)


class PublisherModel(Sample):
    __tablename__ = "sample_publishers"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column("publisher_name", String(50))


class WriterModel(Sample):
    __tablename__ = "sample_writers"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50))
    pen_name: Mapped[str] = synonym("name")
    life: Mapped[str | None]
    publisher_id: Mapped[int | None] = mapped_column(ForeignKey(PublisherModel.id))
    publisher: Mapped[PublisherModel | None] = relationship()
    novels: Mapped[list[NovelModel]] = relationship(foreign_keys="NovelModel.writer_id", lazy="selectin", viewonly=True)

    @hybrid_property
    def number_of_novels(self) -> int:
        return len(self.novels) if isinstance(self, WriterModel) else self.id


class GenreModel(Sample):
    __tablename__ = "sample_genres"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50))


class ChapterModel(Sample):
    __tablename__ = "sample_chapters"
    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int]
    novel_id: Mapped[int] = mapped_column(ForeignKey("sample_novels.id"))


class NovelModel(Sample):
    __tablename__ = "sample_novels"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(50))
    text: Mapped[str | None] = mapped_column(deferred=True)
    writer_id: Mapped[int] = mapped_column(ForeignKey(WriterModel.id))
    editor_id: Mapped[int | None] = mapped_column(ForeignKey(WriterModel.id))
    sequel_of_id: Mapped[int | None] = mapped_column(ForeignKey("sample_novels.id"))
    writer: Mapped[WriterModel] = relationship(foreign_keys=writer_id)
    editor: Mapped[WriterModel | None] = relationship(foreign_keys=editor_id)
    sequel_of: Mapped[NovelModel | None] = relationship(remote_side="NovelModel.id")
    genres: Mapped[set[GenreModel]] = relationship(secondary=novel_genres)
    chapters: Mapped[list[ChapterModel]] = relationship(order_by=ChapterModel.number.desc())


@dataclass(kw_only=True)
class Publisher:
    id: int
    name: str


@dataclass(kw_only=True)
class Writer:
    id: int
    pen_name: str
    publisher: Publisher | None

    def __post_init__(self) -> None:
        if self.pen_name == "refused":
            raise ValidationError({"pen_name": "is refused"})


@dataclass(kw_only=True)
class Genre:
    name: str


@dataclass(kw_only=True)
class Chapter:
    number: int


@dataclass(kw_only=True)
class FirstPart:
    title: str


@dataclass(kw_only=True)
class Novel:
    id: int
    title: str
    text: str | None
    writer_id: int
    writer: Writer
    editor: Writer | None = None
    sequel_of: FirstPart | None
    genres: list[Genre]
    chapters: list[Chapter]


@dataclass(kw_only=True)
class NovelOfWriter:
    title: str
    genres: list[Genre]


@dataclass(kw_only=True)
class WriterWithNovels:
    name: str
    novels: list[NovelOfWriter]


@dataclass(kw_only=True)
class BusyWriter:
    """A hybrid reads a relationship that the entity does not hold."""

    number_of_novels: int
    publisher: Publisher | None


class NovelRepository(Repository[Novel]):
    base_class = NovelModel
    entity_class = Novel


class WriterRepository(Repository[WriterWithNovels]):
    base_class = WriterModel
    entity_class = WriterWithNovels


class BusyWriterRepository(Repository[BusyWriter]):
    base_class = WriterModel
    entity_class = BusyWriter


@pytest.fixture(name="novels")
async def _novels(users: UserRepository) -> NovelRepository:
    """Two writers, of whom the first has a publisher, and two genres."""
    async with users.database.session() as session:
        await session.execute(insert(PublisherModel), [{"id": 1, "name": "House"}])
        await session.execute(insert(WriterModel).values(id=1, name="Ann", life="long", publisher_id=1))
        await session.execute(insert(WriterModel).values(id=2, name="Ben"))
        await session.execute(insert(GenreModel), [{"id": 1, "name": "crime"}, {"id": 2, "name": "sea"}])
    return NovelRepository(users.database)


async def add_parts(novels: NovelRepository, *ids: int) -> None:
    """Give each novel two genres and three chapters, stored out of order."""
    async with novels.database.session() as session:
        pairs = [{"novel_id": novel_id, "genre_id": genre_id} for genre_id in (2, 1) for novel_id in ids]
        await session.execute(insert(novel_genres), pairs)
        chapters = [{"novel_id": novel_id, "number": number} for number in (2, 3, 1) for novel_id in ids]
        await session.execute(insert(ChapterModel), chapters)


async def _get_first(novels: NovelRepository, **params: object) -> Novel:
    return (await novels.get_all(params)).items[0]


READS: dict[str, Callable[[NovelRepository, int], Awaitable[Novel]]] = {
    "get": lambda novels, novel_id: novels.get(novel_id),
    "find": lambda novels, _: novels.find(),
    "get_all": lambda novels, _: _get_first(novels),
    "get_all itemized": lambda novels, _: _get_first(novels, itemized=True),
    "update": lambda novels, novel_id: novels.update(novel_id, {"title": "Fog"}),
    "update without data": lambda novels, novel_id: novels.update(novel_id, {}),
}


@pytest.mark.parametrize("in_transaction", [False, True], ids=["alone", "in a transaction"])
@pytest.mark.parametrize("read", READS)
async def test_reads_what_an_entity_holds(novels: NovelRepository, read: str, *, in_transaction: bool) -> None:
    novel = await novels.create({"title": "Fog", "text": "grey", "writer_id": 1})
    await add_parts(novels, novel.id)

    if in_transaction:
        async with novels.transaction():
            found = await READS[read](novels, novel.id)
    else:
        found = await READS[read](novels, novel.id)

    assert found == Novel(
        id=novel.id,
        title="Fog",
        text="grey",
        writer_id=1,
        writer=Writer(id=1, pen_name="Ann", publisher=Publisher(id=1, name="House")),
        sequel_of=None,
        genres=[Genre(name="crime"), Genre(name="sea")],
        chapters=[Chapter(number=3), Chapter(number=2), Chapter(number=1)],
    )


async def test_writes_by_keys_and_returns_what_they_refer_to(novels: NovelRepository) -> None:
    first = await novels.create({"title": "Fog", "writer_id": 1, "editor_id": 2})
    second = await novels.create({"title": "More Fog", "writer_id": 2, "sequel_of_id": first.id})

    assert (first.editor, first.genres, first.chapters) == (Writer(id=2, pen_name="Ben", publisher=None), [], [])
    assert second.sequel_of == FirstPart(title="Fog")
    assert (await novels.update(second.id, {"writer_id": 1})).writer.pen_name == "Ann"
    with pytest.raises(TypeError, match="NovelModel has no column writer"):
        await novels.create({"title": "Fog", "writer": first.writer})
    with pytest.raises(ConflictError) as raised:
        await novels.update(second.id, {"writer_id": 7})
    assert raised.value.message == {"writer_id": "does not exist"}
    with pytest.raises(NotFoundError):
        await novels.update(0, {"writer_id": 1})


async def test_reads_lists_below_lists(novels: NovelRepository) -> None:
    await add_parts(novels, (await novels.create({"title": "Fog", "writer_id": 1})).id)

    writers = (await WriterRepository(novels.database).get_all()).items

    genres = [Genre(name="crime"), Genre(name="sea")]
    assert writers == [
        WriterWithNovels(name="Ann", novels=[NovelOfWriter(title="Fog", genres=genres)]),
        WriterWithNovels(name="Ben", novels=[]),
    ]


async def test_a_list_takes_as_many_statements_for_one_row_as_for_a_hundred(
    novels: NovelRepository, statements: list[str]
) -> None:
    first = await novels.create({"title": "0", "writer_id": 1, "editor_id": 2})
    await add_parts(novels, first.id)
    statements.clear()
    await novels.get_all()
    for_one = list(statements)
    rest = [await novels.create({"title": str(n), "writer_id": n % 2 + 1}) for n in range(1, 100)]
    await add_parts(novels, *(novel.id for novel in rest))
    statements.clear()

    page = await novels.get_all({"per_page": 100})

    assert for_one == ["SELECT"] * 3  # the rows with all single entities and the total, and two lists
    assert statements == for_one
    assert [len(novel.chapters) for novel in page.items] == [3] * 100


async def test_a_row_is_one_entity_however_often_it_is_held(novels: NovelRepository) -> None:
    for title in "ab":
        await novels.create({"title": title, "writer_id": 1})

    first, second = (await novels.get_all()).items

    assert first.writer is second.writer


async def test_reads_no_column_that_no_entity_has(novels: NovelRepository) -> None:
    sent: list[str] = []

    def record(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        sent.append(statement)

    novel = await novels.create({"title": "Fog", "writer_id": 1})
    event.listen(novels.database.engine.sync_engine, "before_cursor_execute", record)
    try:
        await novels.get(novel.id)
    finally:
        event.remove(novels.database.engine.sync_engine, "before_cursor_execute", record)

    assert "title" in sent[0]
    assert not any(".life" in statement or "editor_id AS" in statement for statement in sent)


async def test_nothing_is_loaded_on_access(novels: NovelRepository) -> None:
    with pytest.raises(InvalidRequestError, match=r"'WriterModel\.novels' is not available"):
        await BusyWriterRepository(novels.database).get(1)


async def test_nothing_is_stored_if_a_held_entity_refuses_it(novels: NovelRepository) -> None:
    novel = await novels.create({"title": "Fog", "writer_id": 1})
    async with novels.database.session() as session:
        await session.execute(insert(WriterModel).values(id=3, name="refused"))

    for write in (novels.create({"title": "Fog", "writer_id": 3}), novels.update(novel.id, {"writer_id": 3})):
        with pytest.raises(ValidationError, match="is refused"):
            await write

    assert [each.writer_id for each in (await novels.get_all()).items] == [1]


async def test_a_novel_with_chapters_is_referred_to_by_them(novels: NovelRepository) -> None:
    """The model is called `ChapterModel`, and callers know a chapter."""
    novel = await novels.create({"title": "Fog", "writer_id": 1})
    async with novels.database.session() as session:
        await session.execute(insert(ChapterModel).values(novel_id=novel.id, number=1))

    with pytest.raises(ConflictError, match=r"^It is still referred to by chapter\.$"):
        await novels.delete(novel.id)


async def test_a_row_that_was_locked_holds_what_it_refers_to_now(novels: NovelRepository) -> None:
    """A statement that waits for a lock would join the new row with the writer of before, and find none."""
    novel = await novels.create({"title": "Fog", "writer_id": 1})

    async def read_locked() -> Novel:
        async with novels.transaction():
            return await novels.get(novel.id, for_update=True)

    async with novels.transaction():
        await novels.get(novel.id, for_update=True)
        with novels.database.outside_transaction():
            other = asyncio.create_task(read_locked())
            await wait_for_a_blocked_statement(novels.database)
        await novels.update(novel.id, {"writer_id": 2})

    assert (await other).writer.id == 2


async def test_creates_many_pages_by_cursor_and_locks_by_a_constant_number_of_statements(
    novels: NovelRepository, statements: list[str]
) -> None:
    numbers_of_statements = []
    for rows in (2, 50):
        statements.clear()
        created = await novels.create_many([{"title": str(n), "writer_id": 2 - n % 2} for n in reversed(range(rows))])
        page = await novels.get_all({"cursor": "", "sort": "-writer_id,title", "per_page": rows})
        numbers_of_statements.append(len(statements))
        assert [(novel.title, novel.writer.id) for novel in created] == [
            (str(n), 2 - n % 2) for n in reversed(range(rows))
        ]
        assert page.items[0].writer.pen_name == "Ben"
        await novels.delete_all({"writer_id__in": [1, 2]})
    novel = await novels.create({"title": "Fog", "writer_id": 1})

    async with novels.transaction():
        locked = await novels.get(novel.id, for_update=True)

    assert numbers_of_statements[0] == numbers_of_statements[1]
    assert locked == novel
