"""Use cases run on a repository in memory."""

from datetime import UTC, datetime

import pytest

from chassis.dev.testing.fake_repository import FakeRepository
from chassis.domain.exceptions import NotFoundError, ValidationError
from src.domain.todo import Todo
from src.services.todo_service import TodoService


@pytest.fixture(name="repository")
def _repository() -> FakeRepository[Todo]:
    created_at = datetime(2026, 1, 31, tzinfo=UTC)
    return FakeRepository(Todo, description=None, completed=False, created_at=created_at, updated_at=None)


@pytest.fixture(name="service")
def _service(repository: FakeRepository[Todo]) -> TodoService:
    return TodoService(repository)


async def test_creates_no_todo_with_a_blank_title(service: TodoService) -> None:
    with pytest.raises(ValidationError):
        await service.create({"title": " "})

    assert not await service.exists()


async def test_keeps_the_title_if_the_new_one_is_blank(service: TodoService) -> None:
    todo = await service.create({"title": "a"})

    with pytest.raises(ValidationError):
        await service.update(todo.id, {"title": " "})

    assert (await service.get(todo.id)).title == "a"


async def test_splits_a_todo_into_several(service: TodoService) -> None:
    todo = await service.create({"title": "a and b", "description": "both"})

    first, second = await service.split(todo.id, ["a", "b"])

    assert (first.id, first.title, first.description) == (todo.id, "a", "both")
    assert (second.title, second.description) == ("b", None)


@pytest.mark.parametrize("titles", [["a", " "], [" ", "b"]])
async def test_changes_nothing_if_one_part_has_a_blank_title(service: TodoService, titles: list[str]) -> None:
    todo = await service.create({"title": "a and b"})

    with pytest.raises(ValidationError):
        await service.split(todo.id, titles)

    assert (await service.get_all()).items == [todo]


async def test_splits_no_todo_that_does_not_exist(service: TodoService) -> None:
    with pytest.raises(NotFoundError):
        await service.split(1, ["a", "b"])
