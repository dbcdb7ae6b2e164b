"""Row locks, and changes that test their condition after they have waited for one."""

import asyncio

import pytest
from sqlalchemy import text

from chassis.domain.exceptions import NotFoundError
from chassis.domain.ports import RepositoryPort
from chassis.persistence.database import Database
from chassis.tests.persistence.books import Book, BookRepository
from chassis.tests.persistence.samples import UserRepository
from chassis.tests.persistence.test_create_many import BookModelRepository

Books = RepositoryPort[Book]


async def wait_for_a_blocked_statement(database: Database) -> None:
    blocked = text("SELECT count(*) FROM pg_stat_activity WHERE cardinality(pg_blocking_pids(pid)) > 0")
    async with asyncio.timeout(10):
        while True:
            with database.outside_transaction():
                async with database.session() as session:
                    if await session.scalar(blocked):
                        return
            await asyncio.sleep(0.01)


async def test_a_lock_makes_another_transaction_wait_and_see_the_change(stored_books: BookRepository) -> None:
    books, database = stored_books, stored_books.database
    book = await books.create({"title": "a", "pages": 1})

    async def add_page() -> None:
        async with books.transaction():
            locked = await books.get(book.id, for_update=True)
            await books.update(book.id, {"pages": (locked.pages or 0) + 1})

    async with books.transaction():
        locked = await books.get(book.id, for_update=True)
        with database.outside_transaction():
            other = asyncio.create_task(add_page())
        await wait_for_a_blocked_statement(database)
        with database.outside_transaction():
            assert (await books.get(book.id)).pages == 1
        await books.update(book.id, {"pages": (locked.pages or 0) + 10})
    await other

    assert (await books.get(book.id)).pages == 12


async def test_locks_models(stored_books: BookRepository) -> None:
    books = BookModelRepository(stored_books.database)
    book = await books.create({"title": "a"})

    async with books.transaction():
        assert (await books.get(book.id, for_update=True)).title == "a"


async def test_a_lock_outside_of_a_transaction_is_an_error(books: Books) -> None:
    book = await books.create({"title": "a"})

    with pytest.raises(RuntimeError, match="needs `async with transaction"):
        await books.get(book.id, for_update=True)
    async with books.transaction():
        assert (await books.get(book.id, for_update=True)).title == "a"
        with pytest.raises(NotFoundError):
            await books.get(0, for_update=True)


async def test_of_two_changes_with_the_same_condition_one_is_made(stored_books: BookRepository) -> None:
    books, database = stored_books, stored_books.database
    book = await books.create({"title": "a"})
    change = ({"id": book.id, "pages": None}, {"pages": 5})

    async with books.transaction():
        assert await books.update_all(*change) == 1
        with database.outside_transaction():
            other = asyncio.create_task(books.update_all(*change))
        await wait_for_a_blocked_statement(database)

    assert await other == 0


async def test_a_lock_without_a_transaction_sends_nothing(users: UserRepository, statements: list[str]) -> None:
    with pytest.raises(RuntimeError):
        await users.get(1, for_update=True)

    assert statements == []
