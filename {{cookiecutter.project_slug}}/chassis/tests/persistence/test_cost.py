"""What a call may cost, in counts that are the same on every machine; a time limit would fail on a slow one."""

import gc
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import greenlet  # type: ignore[import-untyped]
import pytest
from sqlalchemy import ClauseElement, Select, event, select
from sqlalchemy.engine.interfaces import CacheStats

from chassis.domain.ports import Params
from chassis.persistence import prepared
from chassis.persistence.database import Database
from chassis.persistence.repository import Repository
from chassis.tests.persistence.samples import User, UserRepository


@dataclass
class Person:
    id: int
    name: str


class PersonRepository(Repository[Person]):
    base_class = User
    entity_class = Person

    def _apply_query_params(self, query: Select[Any], query_params: Params) -> Select[Any]:
        name = self.get_query_param("name", query_params)
        return query.where(User.name == name) if name else query


Call = Callable[[PersonRepository, int], Awaitable[object]]
CALLS: dict[str, Call] = {
    "get": lambda people, number: people.get(number),
    "find": lambda people, _: people.find(),
    "exists": lambda people, _: people.exists(),
    "count": lambda people, _: people.count(),
    "page": lambda people, number: people.get_all({"page": 1, "per_page": 1 + number}),
    "sorted page": lambda people, number: people.get_all({"sort": "-name", "per_page": 1 + number}),
    "itemized": lambda people, _: people.get_all({"itemized": True}),
    "create": lambda people, number: people.create({"id": 100 + number, "name": f"new {number}"}),
    "update": lambda people, number: people.update(number, {"name": f"changed {number}"}),
    "delete": lambda people, number: people.delete(number),
}
FILTERED: dict[str, Call] = {
    "find": lambda people, number: people.find({"name": f"name {number}"}),
    "exists": lambda people, number: people.exists({"name": f"name {number}"}),
    "count by lookups": lambda people, number: people.count({"id__lte": number, "name__contains": f"{number}"}),
    "page": lambda people, number: people.get_all({"name": f"name {number}", "per_page": 1 + number}),
    "page by lookups": lambda people, number: people.get_all({"id__in": [number], "sort": "-name"}),
}


@pytest.fixture(name="people")
async def _people(users: UserRepository) -> PersonRepository:
    """The rows have the ids and the numbers 1 to 5."""
    people = PersonRepository(users.database)
    await people.create_many([{"id": number, "name": f"name {number}"} for number in range(1, 6)])
    return people


@contextmanager
def record_greenlets() -> Iterator[list[object]]:
    entered: list[object] = []

    def trace(_event: str, switch: tuple[object, object]) -> None:
        if hasattr(switch[1], "__sqlalchemy_greenlet_provider__") and switch[1] not in entered:
            entered.append(switch[1])

    before = greenlet.settrace(trace)
    try:
        yield entered
    finally:
        greenlet.settrace(before)


@contextmanager
def record_executions(database: Database) -> Iterator[list[tuple[ClauseElement, CacheStats]]]:
    """Record each statement, and whether SQLAlchemy had compiled it before."""
    engine, executions = database.engine.sync_engine, list[tuple[ClauseElement, CacheStats]]()

    def record(_connection: object, _cursor: object, _sql: str, _values: object, context: Any, _many: bool) -> None:  # noqa: ANN401
        executions.append((context.invoked_statement, context.cache_hit))

    event.listen(engine, "before_cursor_execute", record)
    try:
        yield executions
    finally:
        event.remove(engine, "before_cursor_execute", record)


@pytest.mark.parametrize("name", CALLS)
async def test_a_call_is_one_round_trip(people: PersonRepository, statements: list[str], name: str) -> None:
    statements.clear()

    await CALLS[name](people, 1)

    assert len(statements) == 1


async def test_only_a_page_past_the_end_asks_for_its_total(people: PersonRepository, statements: list[str]) -> None:
    statements.clear()

    page = await people.get_all({"page": 9})
    await people.get_all({"name": "nobody"})

    assert (page.items, page.total) == ([], 5)
    assert statements == ["SELECT"] * 3


@pytest.mark.parametrize("name", CALLS)
async def test_a_call_enters_one_greenlet(people: PersonRepository, name: str) -> None:
    await people.count()  # connects

    with record_greenlets() as entered:
        await CALLS[name](people, 1)

    assert len(entered) == 1


async def test_a_call_inside_a_transaction_enters_one_greenlet(people: PersonRepository) -> None:
    async with people.transaction():
        await people.get(1)
        with record_greenlets() as entered:
            await people.get_all()

    assert len(entered) == 1


@pytest.mark.parametrize("name", CALLS)
async def test_a_statement_without_filters_is_built_once(people: PersonRepository, name: str) -> None:
    with record_executions(people.database) as executions:
        await CALLS[name](people, 1)
        await CALLS[name](people, 2)

    (first, _), (second, cached) = executions
    assert first is second
    assert cached is CacheStats.CACHE_HIT


async def test_a_page_by_cursor_is_built_once_for_each_order(people: PersonRepository) -> None:
    cursor = (await people.get_all({"cursor": "", "per_page": 1, "sort": "-name"})).next_cursor

    with record_executions(people.database) as executions:
        second = await people.get_all({"cursor": cursor, "per_page": 1, "sort": "-name"})
        await people.get_all({"cursor": second.next_cursor, "per_page": 2, "sort": "-name"})

    assert [statement for statement, _ in executions[:2]] == [statement for statement, _ in executions[2:]]


@pytest.mark.parametrize("name", FILTERED)
async def test_a_statement_with_filters_is_compiled_once(people: PersonRepository, name: str) -> None:
    await FILTERED[name](people, 1)

    with record_executions(people.database) as executions:
        await FILTERED[name](people, 2)

    assert [cached for _, cached in executions] == [CacheStats.CACHE_HIT]


def test_keeps_a_limited_number_of_statements(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepared, "MAX_PREPARED", 2)
    everything: Select[Any] = select(User.id)
    built: list[Select[Any]] = []
    statements = prepared.PreparedStatements(everything)

    def build(matching: Select[Any]) -> Select[Any]:
        built.append(matching)
        return matching.limit(1)

    for name in ("a", "b", "b", "c", "a"):
        statements.get(name, everything, build)

    assert len(built) == 4  # the third one removes the first two


async def test_calls_leave_no_memory_allocated(people: PersonRepository) -> None:
    async def count_new_blocks() -> int:
        gc.collect()
        before = sys.getallocatedblocks()
        for number in range(50):
            await FILTERED["page"](people, 1 + number % 5)
        gc.collect()
        return sys.getallocatedblocks() - before

    assert min([await count_new_blocks() for _ in range(4)]) < 50  # a leak would keep one for each call
