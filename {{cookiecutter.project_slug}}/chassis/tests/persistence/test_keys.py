"""Keys of each type, and values that cannot be keys: a caller may send anything where a key belongs."""

import enum
from dataclasses import dataclass
from typing import Any
from uuid import RFC_4122, UUID

import pytest
from sqlalchemy import BigInteger, Enum, ForeignKey, SmallInteger, String, Text, Uuid, text
from sqlalchemy.orm import Mapped, mapped_column, relationship
from sqlalchemy.types import TypeEngine

from chassis.domain.exceptions import ConflictError, NotFoundError
from chassis.persistence.keys import is_possible_key, uuid7
from chassis.persistence.repository import Repository
from chassis.tests.persistence.samples import Sample, UserRepository

NOWHERE = UUID(int=0)


class Country(Sample):
    __tablename__ = "sample_countries"
    code: Mapped[str] = mapped_column(String(2), primary_key=True)
    name: Mapped[str] = mapped_column(String(50))


class Sailor(Sample):
    __tablename__ = "sample_sailors"
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    name: Mapped[str] = mapped_column(String(50))
    country_code: Mapped[str | None] = mapped_column(ForeignKey(Country.code))
    country: Mapped[Country | None] = relationship()


class Ship(Sample):
    __tablename__ = "sample_ships"
    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("gen_random_uuid()"))
    name: Mapped[str] = mapped_column(String(50))


class Port(Sample):
    __tablename__ = "sample_ports"
    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    name: Mapped[str] = mapped_column(String(50))


@dataclass(kw_only=True)
class CountryEntity:
    code: str
    name: str


@dataclass(kw_only=True)
class SailorEntity:
    id: UUID
    name: str
    country: CountryEntity | None


def repository_of(model: type[Any], users: UserRepository, entity_class: type[Any] | None = None) -> Repository[Any]:
    attributes = {"base_class": model, "entity_class": entity_class}
    return type("Sailors", (Repository,), attributes)(users.database)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("model", "data", "unknown"),
    [(Country, {"code": "zz"}, "aa"), (Sailor, {}, NOWHERE), (Ship, {}, NOWHERE), (Port, {}, 7)],
)
async def test_creates_reads_updates_and_deletes_by_a_key_of_each_type(
    users: UserRepository, model: type[Any], data: dict[str, Any], unknown: object
) -> None:
    repository = repository_of(model, users)
    created = await repository.create({"name": "a", **data})
    key = created.code if model is Country else created.id

    assert (await repository.update(key, {"name": "b"})).name == "b"
    assert (await repository.get(key)).name == "b"
    assert [each.name for each in (await repository.get_all()).items] == ["b"]
    for call in (repository.get(unknown), repository.update(unknown, {"name": "c"}), repository.delete(unknown)):
        with pytest.raises(NotFoundError):
            await call
    await repository.delete(key)
    assert not await repository.exists()


async def test_an_entity_is_held_by_a_key_of_any_type(users: UserRepository) -> None:
    await repository_of(Country, users).create({"code": "nl", "name": "Netherlands"})
    sailors = repository_of(Sailor, users, SailorEntity)

    sailor = await sailors.create({"name": "a", "country_code": "nl"})

    assert sailor == SailorEntity(id=sailor.id, name="a", country=CountryEntity(code="nl", name="Netherlands"))
    with pytest.raises(ConflictError) as raised:
        await sailors.update(sailor.id, {"country_code": "xx"})
    assert raised.value.message == {"country_code": "does not exist"}


@pytest.mark.parametrize(
    ("model", "key"),
    [
        (Sailor, "x"),
        (Sailor, str(NOWHERE)),
        (Sailor, 1),
        (Sailor, None),
        (Country, "\x00"),
        (Country, "\udc00"),
        (Country, 1),
        (Port, 2**63),
        (Port, -(2**63) - 1),
        (Port, "1"),
        (Port, "\udc00"),
        (Port, 1.5),
        (Port, True),
    ],
)
async def test_a_key_that_cannot_exist_is_not_found_without_a_statement(
    users: UserRepository, model: type[Any], key: object, statements: list[str]
) -> None:
    repository = repository_of(model, users)

    for call in (repository.get(key), repository.update(key, {"name": "a"}), repository.update(key, {})):
        with pytest.raises(NotFoundError):
            await call
    with pytest.raises(NotFoundError):
        await repository.delete(key)

    assert statements == []


@pytest.mark.parametrize("key", [2**15, 2**31, 2**63 - 1, -(2**63)])
async def test_a_number_beyond_the_column_is_not_found(users: UserRepository, key: int) -> None:
    with pytest.raises(NotFoundError):
        await repository_of(Port, users).get(key)


class Level(enum.Enum):
    LOW = 1


@pytest.mark.parametrize(
    ("column_type", "key", "possible"),
    [
        (BigInteger(), 2**63 - 1, True),
        (Text(), "", True),
        (Uuid(as_uuid=False), str(NOWHERE), True),
        (Uuid(as_uuid=False), "x", False),
        (Enum(Level), Level.LOW, True),
        (Enum(Level), "MIDDLE", False),
        (Enum("low", "high"), "high", True),
        (Enum("low", "high"), "middle", False),
    ],
)
def test_knows_the_values_of_a_type(column_type: TypeEngine[Any], key: object, possible: bool) -> None:
    assert is_possible_key(key, column_type) is possible


def test_makes_uuids_that_differ() -> None:
    first, second = uuid7(), uuid7()

    assert first != second
    assert (first.variant, first.version in (4, 7)) == (RFC_4122, True)
