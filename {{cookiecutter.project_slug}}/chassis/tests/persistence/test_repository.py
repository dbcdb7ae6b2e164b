from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import Select, select
from sqlalchemy.exc import InvalidRequestError
from werkzeug.datastructures import MultiDict

from chassis.domain.exceptions import ConflictError, NotFoundError, ValidationError
from chassis.domain.ports import Params
from chassis.persistence.repository import Repository
from chassis.tests.persistence.samples import Pet, PetRepository, User, UserRepository


async def test_creates_reads_updates_and_deletes(users: UserRepository) -> None:
    user = await users.create({"name": "a"})

    updated = await users.update(user.id, {"name": "b"})
    read = await users.get(user.id)
    await users.delete(user.id)

    assert (user.name, updated.name, read.name) == ("a", "b", "b")
    assert not await users.exists()


@pytest.mark.parametrize("operation", ["get", "delete"])
async def test_an_unknown_id_is_not_found(users: UserRepository, operation: str) -> None:
    with pytest.raises(NotFoundError, match="User was not found"):
        await getattr(users, operation)(0)


async def test_an_update_of_an_unknown_id_is_not_found(users: UserRepository) -> None:
    with pytest.raises(NotFoundError):
        await users.update(0, {"name": "a"})
    with pytest.raises(NotFoundError):
        await users.update(0, {})


async def test_finds_counts_and_deletes_matching_rows(users: UserRepository) -> None:
    for name in "abc":
        await users.create({"name": name})

    assert (await users.find({"name": "b"})).name == "b"
    assert (await users.find()).name == "a"
    assert (await users.count({"name": "b"}), await users.count()) == (1, 3)
    assert (await users.exists({"name": "b"}), await users.exists({"name": "x"})) == (True, False)
    assert await users.delete_all({"name": "b"}) == 1
    assert await users.delete_all() == 2
    with pytest.raises(NotFoundError):
        await users.find()


@pytest.mark.parametrize("operation", ["delete_all", "exists", "count", "find"])
async def test_an_unknown_filter_is_a_type_error_that_names_it(users: UserRepository, operation: str) -> None:
    await users.create({"name": "a"})

    with pytest.raises(TypeError, match="UserRepository does not filter by age, nmae"):
        await getattr(users, operation)({"name": "a", "nmae": "a", "age": 1})

    assert await users.count() == 1


async def test_deletes_everything_only_without_parameters(users: UserRepository) -> None:
    await users.create({"name": "a"})

    with pytest.raises(TypeError, match="filters nothing"):
        await users.delete_all({"name": ""})

    assert await users.count() == 1
    assert await users.delete_all() == 1


@pytest.mark.parametrize("operation", ["exists", "count", "find"])
async def test_the_parameters_of_a_page_are_not_filters(users: UserRepository, operation: str) -> None:
    await users.create({"name": "a"})

    assert await getattr(users, operation)({"page": 1, "per_page": 10, "itemized": False, "itemize": False})


@pytest.mark.parametrize(
    "read",
    [
        lambda params: params.get("name"),
        lambda params: params["name"],
        lambda params: "name" in params and "a",
        lambda params: dict(params)["name"],
        lambda params: {**params}["name"],
    ],
)
async def test_a_filter_may_read_its_parameter_in_any_way(users: UserRepository, read: Callable[[Params], str]) -> None:
    class Users(UserRepository):
        def _apply_query_params(self, query: Select[Any], query_params: Params) -> Select[Any]:
            return query.filter_by(name=read(query_params))

    await users.create({"name": "a"})
    await users.create({"name": "b"})

    assert await Users(users.database).delete_all({"name": "a"}) == 1


@dataclass
class Owner:
    id: int
    name: str


@pytest.mark.parametrize("entity", [None, Owner])
@pytest.mark.parametrize(
    "hook",
    [
        lambda query, pet: query.join(User.pets).where(Pet.id == pet),
        lambda query, pet: query.join(Pet).filter(Pet.id == pet).distinct(),
        lambda query, pet: query.join(Pet, Pet.owner_id == User.id).where(Pet.id == pet).order_by(User.name.desc()),
        lambda query, pet: query.where(User.id.in_(select(Pet.owner_id).where(Pet.id == pet))),
    ],
)
async def test_a_filter_may_join_other_tables(
    users: UserRepository, pets: PetRepository, hook: Callable[[Select[Any], int], Select[Any]], entity: type[Owner]
) -> None:
    class Owners(Repository[Any]):
        base_class = User
        entity_class = entity

        def _apply_query_params(self, query: Select[Any], query_params: Params) -> Select[Any]:
            return hook(query, query_params["pet"])

    await users.create({"name": "a"})
    pet = await pets.create({"owner_id": (await users.create({"name": "b"})).id})
    owners, params = Owners(users.database), {"pet": pet.id}

    page = await owners.get_all(params)
    by_cursor = await owners.get_all({**params, "cursor": ""})

    assert ([owner.name for owner in page.items], page.total) == (["b"], 1)
    assert [owner.name for owner in by_cursor.items] == ["b"]
    assert (await owners.find(params)).name == "b"
    assert (await owners.count(params), await owners.exists(params)) == (1, True)
    assert (await owners.get_all({**params, "page": 2})).total == 1
    with pytest.raises(ConflictError):
        await owners.delete_all(params)


async def test_a_list_takes_a_query_string_and_refuses_what_it_does_not_know(users: UserRepository) -> None:
    await users.create({"name": "a"})

    assert (await users.get_all(MultiDict([("name", "a"), ("page", "1")]))).total == 1
    for params in ({"nmae": "b"}, {"itemized": "true", "nmae": "b"}, {"cursor": "", "nmae": "b"}):
        with pytest.raises(TypeError, match="UserRepository does not filter by nmae"):
            await users.get_all(params)


async def test_pages_are_ordered_by_id(users: UserRepository) -> None:
    for number in range(12):
        await users.create({"name": str(number)})
    await users.update((await users.find({"name": "0"})).id, {"name": "first"})

    first, second = await users.get_all(), await users.get_all({"page": "2", "per_page": "10"})

    assert [user.name for user in first.items] == ["first", *map(str, range(1, 10))]
    assert [user.name for user in second.items] == ["10", "11"]
    assert (second.total, second.page, second.per_page) == (12, 2, 10)


async def test_an_itemized_list_over_its_limit_is_invalid(
    users: UserRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(UserRepository, "MAX_ITEMIZED", 2)
    for name in "ab":
        await users.create({"name": name})
    assert len((await users.get_all({"itemized": "true"})).items) == 2

    await users.create({"name": "c"})

    with pytest.raises(ValidationError, match="ask for one page"):
        await users.get_all({"itemize": True})


async def test_a_duplicate_is_a_conflict_that_names_the_field(users: UserRepository) -> None:
    await users.create({"name": "a"})

    with pytest.raises(ConflictError) as raised:
        await users.create({"name": "a"})

    assert raised.value.message == {"name": "already exists"}


async def test_a_reference_to_nothing_is_a_conflict_that_names_the_field(pets: PetRepository) -> None:
    with pytest.raises(ConflictError) as raised:
        await pets.create({"owner_id": 0})

    assert raised.value.message == {"owner_id": "does not exist"}


async def test_a_row_that_others_refer_to_cannot_be_deleted(users: UserRepository, pets: PetRepository) -> None:
    user = await users.create({"name": "a"})
    await pets.create({"owner_id": user.id})

    with pytest.raises(ConflictError, match=r"^It is still referred to by pet\.$"):
        await users.delete(user.id)


async def test_a_missing_value_is_an_unexpected_error(users: UserRepository) -> None:
    with pytest.raises(Exception, match="null value in column"):
        await users.create({})


@pytest.mark.parametrize("value", ["x" * 51, "\x00"])
async def test_a_value_that_cannot_be_stored_is_invalid(users: UserRepository, value: str) -> None:
    with pytest.raises(ValidationError):
        await users.create({"name": value})


async def test_an_unknown_column_is_a_type_error_that_names_it(users: UserRepository) -> None:
    with pytest.raises(TypeError, match="User has no column nmae"):
        await users.create({"nmae": "a"})


async def test_a_returned_model_loads_nothing(users: UserRepository) -> None:
    async with users.transaction():
        user = await users.create({"name": "a"})

        with pytest.raises(InvalidRequestError, match=r"'User\.pets' is not available"):
            _ = user.pets


def test_a_model_has_a_readable_repr() -> None:
    assert repr(User(id=1, name="a")) == "<User(id=1, name='a')>"
