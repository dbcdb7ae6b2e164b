"""Many rows are created by one statement, in their order, all or none."""

from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

import pytest

from chassis.domain.exceptions import ConflictError, ValidationError
from chassis.domain.ports import Params, RepositoryPort
from chassis.persistence.database import Database
from chassis.persistence.repository import Repository
from chassis.tests.persistence.books import (
    Book,
    BookModel,
    BookRepository,
    DrawnKey,
    DrawnKeyRepository,
    State,
    TextKeyRepository,
)
from chassis.tests.persistence.samples import User, UserRepository

Books = RepositoryPort[Book]


class BookModelRepository(Repository[BookModel]):
    base_class = BookModel


@dataclass
class StrictUser:
    id: int
    name: str

    def __post_init__(self) -> None:
        if self.name == "refused":
            raise ValidationError({"name": "is refused"})


class StrictUserRepository(Repository[StrictUser]):
    base_class = User
    entity_class = StrictUser


@dataclass
class Drawn:
    name: str


class DrawnRepository(Repository[Drawn]):
    base_class = DrawnKey
    entity_class = Drawn


async def test_returns_the_entities_in_the_order_of_the_rows(books: Books) -> None:
    titles = [f"title {number * 7 % 25}" for number in range(25)]

    created = await books.create_many([{"title": title, "pages": number} for number, title in enumerate(titles)])

    assert [(book.title, book.pages) for book in created] == [(title, number) for number, title in enumerate(titles)]
    assert [book.id for book in created] == sorted({book.id for book in created})
    assert (await books.get_all({"itemized": True})).items == created


async def test_rows_may_name_different_columns(books: Books) -> None:
    rows: list[Params] = [
        {"title": "a"},
        {"title": "b", "pages": 5, "state": State.PRINTED},
        {"title": "c", "published": date(2020, 1, 31), "tags": ["x"]},
        {"title": "d", "sold": True},
        {"pages": None, "title": "e"},
    ]

    created = await books.create_many(rows)

    assert [book.title for book in created] == list("abcde")
    assert [book.pages for book in created] == [None, 5, None, None, None]
    assert [book.state for book in created] == [State.DRAFT, State.PRINTED, *[State.DRAFT] * 3]
    assert [book.sold for book in created] == [False, False, False, True, False]
    assert created[2].tags == ["x"]


async def test_no_rows_are_no_entities(books: Books) -> None:
    assert await books.create_many([]) == []


async def test_creates_rows_with_keys_of_the_caller_in_their_order(books: Books) -> None:
    created = await books.create_many([{"id": key, "title": str(key)} for key in (30, 10, 20)])

    assert [(book.id, book.title) for book in created] == [(30, "30"), (10, "10"), (20, "20")]


async def test_creates_all_rows_or_none(books: Books) -> None:
    await books.create({"id": 7, "title": "a"})

    with pytest.raises(ConflictError) as raised:
        await books.create_many(
            [{"id": 6, "title": "b"}, {"id": 8, "title": "c", "sold": True}, {"id": 7, "title": "d"}]
        )

    assert raised.value.message == {"id": "already exists"}
    assert [book.id for book in (await books.get_all({})).items] == [7]


async def test_creates_all_rows_or_none_with_several_statements(users: UserRepository) -> None:
    with pytest.raises(ConflictError):
        await users.create_many([{"name": str(number)} for number in (*range(1500), 0)])
    assert await users.count() == 0

    created = await users.create_many([{"name": str(number)} for number in range(1500)])

    assert [user.name for user in created] == [str(number) for number in range(1500)]


async def test_is_one_statement_without_a_transaction(stored_books: BookRepository, statements: list[str]) -> None:
    await stored_books.create_many([{"title": str(number), "pages": number % 2 or None} for number in range(100)])
    await stored_books.create_many([{"title": "a"}, {"title": "b", "pages": 5}])

    assert statements == ["INSERT"] * 2


async def test_creates_models(stored_books: BookRepository) -> None:
    books = BookModelRepository(stored_books.database)

    created = await books.create_many([{"title": title} for title in "cab"])

    assert [book.title for book in created] == ["c", "a", "b"]
    assert all(isinstance(book, BookModel) and book.added_at for book in created)


async def test_an_entity_that_refuses_a_row_undoes_all(users: UserRepository) -> None:
    with pytest.raises(ValidationError):
        await StrictUserRepository(users.database).create_many([{"name": "a"}, {"name": "refused"}])

    assert not await users.exists()


async def test_rows_without_any_value_have_their_defaults(stored_books: BookRepository) -> None:
    keys = TextKeyRepository(stored_books.database)

    created = await keys.create_many([{"code": "b"}, {"code": "a", "rank": 1}, {"code": "c", "rank": None}])

    assert [(row.code, row.rank) for row in created] == [("b", None), ("a", 1), ("c", None)]


@pytest.mark.parametrize("repository", [DrawnKeyRepository, DrawnRepository])
async def test_keys_that_the_database_makes_keep_the_order(
    stored_books: BookRepository, statements: list[str], repository: type[Repository[Any]]
) -> None:
    numbers_of_statements = []
    for rows in (5, 50):
        names = [str(number * 7 % rows) for number in range(rows)]
        statements.clear()

        created = await repository(stored_books.database).create_many([{"name": name} for name in names])

        assert [row.name for row in created] == names
        numbers_of_statements.append(len(statements))
    assert numbers_of_statements[0] == numbers_of_statements[1]


async def test_keys_of_the_caller_go_before_those_of_the_database(stored_books: BookRepository) -> None:
    rows: list[Params] = [{"name": "a"}, {"name": "b", "id": UUID(int=2)}, {"name": "c", "id": UUID(int=1)}]

    created = await DrawnKeyRepository(stored_books.database).create_many(rows)

    assert [row.name for row in created] == list("abc")
    assert [row.id for row in created[1:]] == [UUID(int=2), UUID(int=1)]


async def test_belongs_to_the_running_transaction(books: Books) -> None:
    with pytest.raises(ZeroDivisionError):
        async with books.transaction():
            await books.create_many([{"title": "a"}, {"title": "b"}])
            assert await books.count({}) == 2
            raise ZeroDivisionError

    assert await books.count({}) == 0


async def test_the_rows_of_the_caller_stay_as_they_are(books: Books, database: Database) -> None:
    rows: list[dict[str, Any]] = [{"title": "a"}, {"title": "b", "pages": 1}]

    await books.create_many(rows)

    assert rows == [{"title": "a"}, {"title": "b", "pages": 1}]
