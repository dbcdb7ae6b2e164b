from types import SimpleNamespace

import pytest

from chassis.dev.testing.fake_repository import FakeRepository
from chassis.domain.exceptions import NotFoundError
from chassis.services.repository_service import RepositoryService


class UserService(RepositoryService):
    pass


@pytest.fixture(name="service")
def _service() -> UserService:
    return UserService(FakeRepository(SimpleNamespace))


async def test_offers_the_operations_of_its_repository(service: UserService) -> None:
    user = await service.create({"name": "a"})
    await service.create({"name": "b"})

    assert (await service.get(user.id)).name == "a"
    assert (await service.update(user.id, {"name": "c"})).name == "c"
    assert (await service.find({"name": "b"})).name == "b"
    assert await service.exists({"name": "b"})
    assert await service.count() == 2
    assert [item.name for item in (await service.get_all()).items] == ["c", "b"]
    await service.delete(user.id)
    assert await service.delete_all() == 1


async def test_raises_not_found_for_an_unknown_id(service: UserService) -> None:
    with pytest.raises(NotFoundError):
        await service.get(1)


async def test_rolls_back_its_transaction_on_an_error(service: UserService) -> None:
    with pytest.raises(NotFoundError):
        async with service.transaction():
            await service.create({"name": "a"})
            await service.get(0)

    assert not await service.exists()
