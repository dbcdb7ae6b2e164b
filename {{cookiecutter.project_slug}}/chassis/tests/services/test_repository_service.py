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


async def test_offers_what_its_repository_offers(service: UserService) -> None:
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


async def test_what_does_not_exist_is_not_found(service: UserService) -> None:
    with pytest.raises(NotFoundError):
        await service.get(1)


async def test_a_transaction_is_that_of_the_repository(service: UserService) -> None:
    with pytest.raises(NotFoundError):
        async with service.transaction():
            await service.create({"name": "a"})
            await service.get(0)

    assert not await service.exists()
