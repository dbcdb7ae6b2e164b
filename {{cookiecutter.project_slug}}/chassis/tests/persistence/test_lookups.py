"""Every call with filters takes lookups, and a fake repository agrees with PostgreSQL."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Select

from chassis.domain.exceptions import NotFoundError, ValidationError
from chassis.domain.ports import Params, RepositoryPort
from chassis.tests.persistence.books import Book, BookRepository, DrawnKeyRepository, State, TextKeyRepository

Books = RepositoryPort[Book]
SHELF = UUID(int=7)
ROWS: list[Params] = [
    {"title": "Emma", "pages": 400, "price": Decimal("9.50"), "published": date(1815, 12, 23), "shelf": SHELF},
    {"title": "100% sea_salt", "pages": 32767, "price": Decimal("1.00"), "published": date(2020, 1, 31)},
    {"title": "The Sea", "state": State.PRINTED, "sold": True},
    {"title": "a/b\\c", "pages": 0, "added_at": datetime(2020, 1, 31, tzinfo=UTC)},
]


@pytest.mark.parametrize(
    ("filters", "places"),
    [
        ({}, "1234"),
        ({"title": "Emma"}, "1"),
        ({"title": ""}, ""),
        ({"title__ne": "Emma"}, "234"),
        ({"pages": None}, "3"),
        ({"pages__ne": None}, "124"),
        ({"pages__ne": 400}, "234"),
        ({"pages__gt": 0}, "12"),
        ({"pages__gte": 0, "pages__lt": 400}, "4"),
        ({"pages__lte": 400}, "14"),
        ({"pages__gt": None}, ""),
        ({"pages__isnull": True}, "3"),
        ({"pages__isnull": False}, "124"),
        ({"pages__in": [400, 0, 5]}, "14"),
        ({"pages__in": (400, None)}, "13"),
        ({"pages__in": {400}}, "1"),
        ({"pages__in": []}, ""),
        ({"price": Decimal("9.5")}, "1"),
        ({"price": Decimal("9.504")}, ""),
        ({"price__lt": Decimal("9.504")}, "12"),
        ({"price__gte": 10**20}, ""),
        ({"published__gte": date(2020, 1, 31)}, "2"),
        ({"added_at__lt": datetime(2026, 1, 1, tzinfo=UTC)}, "4"),
        ({"state": State.PRINTED}, "3"),
        ({"state__in": [State.DRAFT, State.PRINTED]}, "1234"),
        ({"sold": True}, "3"),
        ({"shelf": SHELF}, "1"),
        ({"shelf__ne": SHELF}, "234"),
        ({"title__contains": "Sea"}, "3"),
        ({"title__icontains": "SEA"}, "23"),
        ({"title__contains": "%"}, "2"),
        ({"title__icontains": "_"}, "2"),
        ({"title__contains": "/"}, "4"),
        ({"title__contains": "\\"}, "4"),
        ({"title__startswith": "100%"}, "2"),
        ({"title__startswith": "_"}, ""),
        ({"title__startswith": "sea"}, ""),
        ({"title__contains": ""}, "1234"),
        ({"title__contains": None}, ""),
        ({"title__contains": "Sea", "sold": False}, ""),
    ],
)
async def test_filters_by_lookups(books: Books, filters: dict[str, Any], places: str) -> None:
    created = await books.create_many(ROWS)
    expected = [created[int(place) - 1].title for place in places]

    page = await books.get_all(filters)

    assert [book.title for book in page.items] == expected
    assert page.total == len(expected)
    assert [book.title for book in (await books.get_all({**filters, "itemized": True})).items] == expected
    assert [book.title for book in (await books.get_all({**filters, "cursor": ""})).items] == expected
    assert (await books.count(filters), await books.exists(filters)) == (len(expected), bool(expected))
    if expected:
        assert (await books.find(filters)).title == expected[0]
    else:
        with pytest.raises(NotFoundError):
            await books.find(filters)


@pytest.mark.parametrize("number", [2**15, 2**31, 2**63, 2**70, 10**400, -(2**70)])
async def test_compares_with_numbers_beyond_the_range_of_the_column(books: Books, number: int) -> None:
    await books.create_many([{"title": "a", "pages": 5}, {"title": "b", "pages": None}])

    counts = [await books.count({f"pages__{operator}": number}) for operator in ("ne", "gt", "gte", "lt", "lte")]

    assert counts == ([2, 0, 0, 1, 1] if number > 0 else [2, 1, 1, 0, 0])
    assert not await books.exists({"pages": number})
    assert await books.count({"pages__in": [number, 5]}) == 1
    assert not await books.exists({"pages__in": [number]})
    assert not await books.exists({"id": number})


async def test_filters_by_the_key(books: Books) -> None:
    first, second = await books.create_many([{"title": "a"}, {"title": "b"}])

    assert await books.exists({"id": first.id})
    assert await books.count({"id__in": [first.id, second.id, 0]}) == 2
    assert (await books.find({"id__gt": first.id})).title == "b"


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        ({"nmae": 1}, "does not filter by nmae"),
        ({"title": "a", "nmae__gt": 1, "age": 1}, "does not filter by age, nmae__gt"),
        ({"title__like": "a"}, "title__like"),
        ({"title__": "a"}, "title__"),
        ({"__gt": 1}, "__gt"),
        ({"title__gt__gt": "a"}, "title__gt__gt"),
        ({"book_title": "a"}, "book_title"),
        ({"metadata": "a"}, "metadata"),
        ({"pages__in": 5}, "pages__in takes a list"),
        ({"title__in": "abc"}, "title__in takes a list"),
        ({"title__in": iter("abc")}, "title__in takes a list"),
        ({"pages__isnull": "true"}, "takes True or False"),
        ({"title__contains": 5}, "takes a text"),
        ({"pages__contains": "5"}, "needs a text"),
        ({"state__startswith": "D"}, "needs a text"),
        ({"cursor": "", "nmae": 1}, "nmae"),
    ],
)
@pytest.mark.parametrize("operation", ["get_all", "find", "exists", "count", "delete_all"])
async def test_a_name_or_a_value_that_is_not_a_lookup_is_a_type_error(
    books: Books, operation: str, filters: dict[str, Any], message: str
) -> None:
    await books.create({"title": "a", "pages": 5})

    with pytest.raises(TypeError, match=message):
        await getattr(books, operation)(filters)

    assert await books.count({}) == 1


@pytest.mark.parametrize("value", ["\x00", "a\x00b", "\udc00"])
async def test_a_text_that_cannot_be_stored_is_an_invalid_filter(books: Books, value: str) -> None:
    for name in ("title", "title__gt", "title__contains", "title__icontains"):
        with pytest.raises(ValidationError) as raised:
            await books.get_all({name: value})
        assert raised.value.message == {name: "has a character that cannot be stored"}
    with pytest.raises(ValidationError):
        await books.get_all({"title__in": ["a", value]})


async def test_too_many_values_are_an_invalid_filter(books: Books) -> None:
    assert not await books.exists({"id__in": range(1_000_000, 1_029_999)})
    with pytest.raises(ValidationError):
        await books.exists({"id__in": range(10**6)})


async def test_changes_and_deletes_the_matching_rows(books: Books) -> None:
    await books.create_many([{"title": title} for title in "abc"])

    assert await books.update_all({"title__in": ["a", "b"]}, {"pages": 5}) == 2
    assert await books.update_all({"title": "x"}, {"pages": 6}) == 0
    assert await books.count({"pages": 5}) == 2
    assert await books.update_all({}, {"sold": True}) == 3
    assert await books.update_all({"pages": 5}, {}) == 2
    assert await books.delete_all({"pages__isnull": True}) == 1
    assert [book.title for book in (await books.get_all({})).items] == ["a", "b"]


@pytest.mark.parametrize("params", [{"page": 1}, {"sort": "title"}, {"cursor": ""}])
async def test_changes_everything_only_without_parameters(books: Books, params: Params) -> None:
    await books.create({"title": "a"})

    with pytest.raises(TypeError, match="filters nothing"):
        await books.delete_all(params)
    with pytest.raises(TypeError, match="filters nothing"):
        await books.update_all(params, {"title": "b"})

    assert await books.count({"title": "a"}) == 1


async def test_changes_no_field_that_does_not_exist(books: Books) -> None:
    await books.create({"title": "a"})

    with pytest.raises(TypeError):
        await books.update_all({}, {"nmae": "b"})
    with pytest.raises(TypeError):
        await books.create_many([{"title": "b"}, {"nmae": "b"}])

    assert await books.count({"title": "a"}) == 1


async def test_a_hook_goes_first_and_lookups_apply_to_what_it_does_not_read(stored_books: BookRepository) -> None:
    class Hooked(BookRepository):
        def _apply_query_params(self, query: Select[Any], query_params: Params) -> Select[Any]:
            title, sort = self.get_query_param("title", query_params), self.get_query_param("sort", query_params)
            query = query.filter_by(title=title.upper()) if title else query
            return query.order_by(self.base_class.pages.desc()) if sort == "thickest" else query

    books = Hooked(stored_books.database)
    await books.create_many([{"title": "A", "pages": 1}, {"title": "A", "pages": 2}, {"title": "B", "pages": 3}])

    assert await books.count({"title": "a"}) == 2
    assert await books.count({"title": "a", "pages__gt": 1}) == 1
    assert await books.count({"title": ""}) == 3
    assert [book.pages for book in (await books.get_all({"sort": "thickest"})).items] == [3, 2, 1]
    with pytest.raises(TypeError, match="filters nothing"):
        await books.delete_all({"title": ""})
    assert await books.update_all({"title": "a", "pages": 1}, {"pages": 9}) == 1
    assert await books.delete_all({"title": "a", "pages__lt": 9}) == 1


async def test_filters_by_keys_of_other_types(stored_books: BookRepository) -> None:
    drawn, texts = DrawnKeyRepository(stored_books.database), TextKeyRepository(stored_books.database)
    created = await drawn.create({"name": "a"})
    await texts.create_many([{"code": "x"}, {"code": "y"}])

    assert await drawn.exists({"id": created.id})
    assert await drawn.count({"id__in": [created.id, SHELF]}) == 1
    assert await texts.count({"code__in": ["x", "z"]}) == 1
    assert (await texts.find({"code__gt": "x"})).code == "y"
