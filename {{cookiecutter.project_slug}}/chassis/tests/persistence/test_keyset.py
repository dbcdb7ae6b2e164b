"""Paging by cursor gives each row once, in order, whatever comes and goes meanwhile."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from chassis.domain.cursor import cursor_scope, read_cursor, write_cursor
from chassis.domain.exceptions import ValidationError
from chassis.domain.ports import Params, RepositoryPort
from chassis.domain.sorting import SortField
from chassis.persistence.repository import Repository
from chassis.tests.persistence.books import (
    Book,
    BookModel,
    BookRepository,
    DrawnKeyRepository,
    State,
    TextKeyRepository,
)

Books = RepositoryPort[Book]
CHOICES: dict[str, list[Any]] = {
    "title": list("abcd"),
    "pages": [None, 0, 5, 400],
    "price": [None, Decimal("0.10"), Decimal("9.99")],
    "published": [None, date(2020, 1, 31), date(2021, 1, 31)],
    "state": list(State),
    "sold": [False, True],
    "added_at": [datetime(2026, 1, 31, tzinfo=UTC) + timedelta(microseconds=each) for each in range(3)],
    "shelf": [None, UUID(int=1), UUID(int=2)],
}


def random_sort(generator: random.Random) -> str:
    names = generator.sample([*CHOICES, "id"], generator.randint(1, 4))
    return ",".join(generator.choice(("", "-")) + name for name in names)


def sort_in_python(books: list[Book], sort: str) -> list[Book]:
    found = sorted(books, key=lambda book: book.id)
    for name in reversed(sort.split(",")):
        found.sort(key=lambda book: sortable(getattr(book, name.removeprefix("-"))), reverse=name.startswith("-"))
    return found


def sortable(value: Any) -> tuple[bool, Any]:  # noqa: ANN401
    return value is None, "" if value is None else getattr(value, "name", value)


async def read_pages(books: RepositoryPort[Any], params: Params) -> list[list[Any]]:
    pages, cursor = [], ""
    while True:
        page = await books.get_all({**params, "cursor": cursor})
        assert (page.by_cursor, page.total) == (True, None)
        pages.append(page.items)
        if page.next_cursor is None:
            return pages
        cursor = page.next_cursor


@pytest.mark.parametrize("seed", range(12))
async def test_pages_by_cursor_are_the_sorted_list(books: Books, seed: int) -> None:
    generator = random.Random(seed)  # noqa: S311
    stored = await books.create_many(
        [{name: generator.choice(values) for name, values in CHOICES.items()} for _ in range(30)]
    )

    for sort in [random_sort(generator) for _ in range(4)]:
        expected = sort_in_python(stored, sort)
        per_page = generator.choice((1, 4, 10, 30, 100))
        pages = await read_pages(books, {"sort": sort, "per_page": per_page})

        assert [book for page in pages for book in page] == expected, sort
        assert {len(page) for page in pages[:-1]} <= {per_page}, sort
        assert pages[-1], sort
        assert (await books.get_all({"sort": sort, "itemized": True})).items == expected, sort
        assert (await books.find({"sort": sort})) == expected[0], sort
        numbered = await books.get_all({"sort": sort, "page": 2, "per_page": 7})
        assert (numbered.items, numbered.total, numbered.next_cursor) == (expected[7:14], 30, None), sort


async def test_an_empty_list_has_no_next_page(books: Books) -> None:
    page = await books.get_all({"cursor": ""})

    assert (page.items, page.next_cursor, page.by_cursor, page.per_page) == ([], None, True, 10)
    assert (await books.get_all({"cursor": None})).total == 0


@pytest.mark.parametrize("sort", ["", "title", "-title", "pages", "-pages", "-pages,title", "-id"])
async def test_rows_that_come_and_go_move_no_others(books: Books, sort: str) -> None:
    generator = random.Random(sort)  # noqa: S311
    rows = [{"title": generator.choice("abcd"), "pages": generator.choice([None, 1, 2])} for _ in range(30)]
    kept = {book.id for book in await books.create_many(rows[:20])}
    removed = {book.id for book in await books.create_many(rows[20:])}
    first = await books.get_all({"sort": sort, "cursor": "", "per_page": 5})
    seen = [book.id for book in first.items]
    cursor = first.next_cursor

    while cursor:
        await books.create_many(rows[:3])
        await books.delete_all({"id__in": generator.sample(sorted(removed), 1)})
        page = await books.get_all({"sort": sort, "cursor": cursor, "per_page": 5})
        seen += [book.id for book in page.items]
        cursor = page.next_cursor if len(seen) < 500 else None

    assert len(seen) == len(set(seen))
    if sort != "":  # new rows have the greatest keys, so that this list would grow for ever
        assert kept <= set(seen)


async def test_the_row_of_the_cursor_may_be_deleted(books: Books) -> None:
    await books.create_many([{"title": title} for title in "abcd"])
    first = await books.get_all({"sort": "-title", "cursor": "", "per_page": 2})
    await books.delete(first.items[-1].id)

    second = await books.get_all({"sort": "-title", "cursor": first.next_cursor, "per_page": 2})

    assert [book.title for book in second.items] == ["b", "a"]


def alter(cursor: str) -> list[object]:
    middle = len(cursor) // 2
    other = "A" if cursor[middle] != "A" else "B"
    replaced = cursor[:middle] + other + cursor[middle + 1 :]
    junk = ["x", " ", "é", "\x00", "%", "=" * 4, "A" * 3999, "A" * 10_000, "\udc00", "eyJhIjoxfQ", 5, b"", ["a"]]
    return [replaced, cursor[:-1], cursor + "A", cursor + "=", cursor + "\n", " " + cursor, cursor * 2, *junk]


async def test_a_cursor_that_was_altered_is_invalid(books: Books) -> None:
    await books.create_many([{"title": "a"}, {"title": "b"}])
    cursor = (await books.get_all({"sort": "title", "cursor": "", "per_page": 1})).next_cursor
    assert cursor

    for altered in alter(cursor):
        with pytest.raises(ValidationError) as raised:
            await books.get_all({"sort": "title", "cursor": altered})
        assert raised.value.message == {"cursor": "is not a cursor of this list: start again with an empty one"}


@pytest.mark.parametrize(
    "params",
    [
        {"sort": "-title"},
        {"sort": "title,pages"},
        {},
        {"sort": "title", "sold": True},
        {"sort": "title", "sold": False, "pages": 5},
        {"sort": "title", "sold__ne": False},
    ],
)
async def test_a_cursor_of_another_order_or_other_filters_is_invalid(books: Books, params: Params) -> None:
    await books.create_many([{"title": "a"}, {"title": "b"}])
    cursor = (await books.get_all({"sort": "title", "sold": False, "cursor": "", "per_page": 1})).next_cursor

    with pytest.raises(ValidationError):
        await books.get_all({**params, "cursor": cursor})
    assert len((await books.get_all({"sort": "title", "sold": False, "cursor": cursor, "per_page": 5})).items) == 1


@pytest.mark.parametrize(
    ("sort", "value"),
    [
        ("pages", "5"),
        ("pages", 2**70),
        ("pages", b"5"),
        ("pages", Decimal(5)),
        ("title", 5),
        ("title", "\x00"),
        ("title", "\udc00"),
        ("state", "BURNT"),
        ("state", 5),
        ("price", "NaN"),
        ("published", "2020-01-31"),
        ("added_at", datetime(2026, 1, 31)),  # noqa: DTZ001 - it must have an offset
        ("added_at", 5),
        ("shelf", "x"),
        ("id", "x"),
        ("id", 2**70),
    ],
)
async def test_a_forged_cursor_with_a_value_of_another_type_is_invalid(
    stored_books: BookRepository, sort: str, value: object
) -> None:
    await stored_books.create_many([{"title": "a"}, {"title": "b"}])
    order = [SortField(sort)] if sort == "id" else [SortField(sort), SortField("id")]
    scope = cursor_scope("BookRepository sample_library_books", order, {})
    genuine = (await stored_books.get_all({"sort": sort, "cursor": "", "per_page": 1})).next_cursor
    assert len(read_cursor(genuine, scope, len(order))) == len(order)

    forged = write_cursor([value, 1][: len(order)], scope)

    with pytest.raises(ValidationError):
        await stored_books.get_all({"sort": sort, "cursor": forged})


async def test_a_cursor_of_another_list_is_invalid(stored_books: BookRepository) -> None:
    class OtherRepository(BookRepository):
        pass

    await stored_books.create_many([{"title": "a"}, {"title": "b"}])
    cursor = (await stored_books.get_all({"cursor": "", "per_page": 1})).next_cursor

    with pytest.raises(ValidationError):
        await OtherRepository(stored_books.database).get_all({"cursor": cursor})


@pytest.mark.parametrize("sort", ["nmae", "title,nmae", "-nmae", "--title", ",", "title,", "tags__in", "book_title", 5])
async def test_an_unknown_name_to_sort_by_is_a_type_error(books: Books, sort: object) -> None:
    for params in ({}, {"cursor": ""}, {"itemized": True}):
        with pytest.raises(TypeError, match="sort"):
            await books.get_all({**params, "sort": sort})
    with pytest.raises(TypeError, match="sort"):
        await books.find({"sort": sort})


@dataclass(kw_only=True)
class Spine:
    """An entity without the fields that it is sorted by, and without its key."""

    title: str

    def __post_init__(self) -> None:
        self.title = self.title.upper()


class SpineRepository(Repository[Spine]):
    base_class = BookModel
    entity_class = Spine


class BookModelRepository(Repository[BookModel]):
    base_class = BookModel


@pytest.mark.parametrize("repository", [SpineRepository, BookModelRepository])
async def test_sorts_by_fields_that_the_entity_does_not_have(
    stored_books: BookRepository, repository: Callable[..., Repository[Any]]
) -> None:
    await stored_books.create_many(
        [{"title": title, "pages": pages} for title, pages in zip("abcd", (2, 3, None, 1), strict=True)]
    )

    pages = await read_pages(repository(stored_books.database), {"sort": "-pages", "per_page": 1})

    assert [book.title.lower() for page in pages for book in page] == ["c", "b", "a", "d"]


async def test_pages_by_keys_of_other_types(stored_books: BookRepository) -> None:
    drawn, texts = DrawnKeyRepository(stored_books.database), TextKeyRepository(stored_books.database)
    keys = sorted(row.id for row in await drawn.create_many([{"name": "a"}] * 7))
    await texts.create_many([{"code": code, "rank": None} for code in "edcba"])

    for sort, expected in (("name", keys), ("-id", keys[::-1])):
        pages = await read_pages(drawn, {"per_page": 2, "sort": sort})
        assert [row.id for page in pages for row in page] == expected
    assert [row.code for page in await read_pages(texts, {"sort": "-rank", "per_page": 2}) for row in page] == list(
        "abcde"
    )


async def test_a_page_by_cursor_counts_nothing(stored_books: BookRepository, statements: list[str]) -> None:
    await stored_books.create_many([{"title": title} for title in "abcd"])
    statements.clear()

    page = await stored_books.get_all({"cursor": "", "per_page": 2, "sort": "-title"})
    await stored_books.get_all({"cursor": page.next_cursor, "per_page": 2, "sort": "-title"})

    assert statements == ["SELECT"] * 4  # the keys, and then the rows
