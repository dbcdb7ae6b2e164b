"""Calls every operation of UserRepository and UserService on the database of the application, and asserts the results.

Prints the module of the class that they return.
"""

import asyncio
from collections.abc import Awaitable

from chassis.domain.exceptions import NotFoundError

from src.app import app
from src.infrastructure.models.user import User as Model
from src.infrastructure.repositories.user_repository import UserRepository
from src.services.user_service import UserService

Users = UserRepository | UserService
RETURNED = UserRepository.entity_class or Model


async def assert_not_found(call: Awaitable[object]) -> None:
    try:
        await call
    except NotFoundError as error:
        assert error.message == "User was not found"
    else:
        raise AssertionError("it was found")


async def use_operations(users: Users) -> None:
    await users.delete_all()
    ann = await users.create({"name": "ann"})
    bob = await users.create({"name": "bob"})
    assert type(ann) is type(bob) is RETURNED
    assert (ann.name, bob.name, bob.id - ann.id) == ("ann", "bob", 1)
    assert repr(ann).endswith(f"User(id={ann.id}, name='ann')>"[: None if RETURNED is Model else -1])

    assert (await users.get(ann.id)).name == "ann"
    assert (await users.find({"name": "bob"})).id == bob.id
    assert await users.exists({"name": "bob"})
    assert not await users.exists({"name": "eve"})
    assert (await users.count(), await users.count({"name": "ann"})) == (2, 1)

    page = await users.get_all({"page": 2, "per_page": 1})
    assert ([user.name for user in page.items], page.total) == (["bob"], 2)
    everybody = await users.get_all({"itemized": True})
    assert [user.name for user in everybody.items] == ["ann", "bob"]
    assert [user.name for user in (await users.get_all({"name": "ann"})).items] == ["ann"]

    assert (await users.update(bob.id, {"name": "rob"})).name == "rob"
    await users.delete(ann.id)
    await assert_not_found(users.get(ann.id))
    await assert_not_found(users.find({"name": "ann"}))
    await assert_not_found(users.update(ann.id, {"name": "eve"}))
    await assert_not_found(users.delete(ann.id))
    assert await users.delete_all({"name": "eve"}) == 0
    assert await users.delete_all({"name": "rob"}) == 1
    assert await users.count() == 0


async def fail_in_a_transaction(users: Users) -> None:
    try:
        async with users.transaction():
            await users.create({"name": "ann"})
            assert await users.count() == 1
            raise LookupError
    except LookupError:
        assert await users.count() == 0


async def main() -> None:
    database = app.container.database()
    user_repository = UserRepository(database)
    for users in (user_repository, UserService(user_repository)):
        await use_operations(users)
        await fail_in_a_transaction(users)
    await database.close()
    print(RETURNED.__module__)


asyncio.run(main())
