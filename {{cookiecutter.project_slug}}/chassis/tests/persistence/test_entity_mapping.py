"""A repository that does not suit its model stops the start of the application, with one sentence."""

from dataclasses import InitVar, dataclass, field
from typing import Any

import pytest
from dependency_injector import providers
from sqlalchemy import ForeignKey, String
from sqlalchemy.ext.associationproxy import AssociationProxy, association_proxy
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import DeclarativeBase, Mapped, WriteOnlyMapped, mapped_column, relationship

from chassis.app import ChassisApp
from chassis.config import ChassisConfig
from chassis.dependency_container import ChassisContainer
from chassis.domain.exceptions import ConfigurationError, ValidationError
from chassis.persistence.repository import Repository
from chassis.tests.persistence.samples import Pet, Sample, User, UserRepository


class Seat(Sample):
    __tablename__ = "sample_seats"
    row: Mapped[int] = mapped_column("seat_row", primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)


class Animal(Sample):
    __tablename__ = "sample_animals"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "animal"}  # noqa: RUF012 - SQLAlchemy's own form


class Dog(Animal):
    __tablename__ = "sample_dogs"
    id: Mapped[int] = mapped_column(ForeignKey(Animal.id), primary_key=True)
    __mapper_args__ = {"polymorphic_identity": "dog"}  # noqa: RUF012


class Account(Sample):
    __tablename__ = "sample_accounts"
    id: Mapped[int] = mapped_column(primary_key=True)
    balance: Mapped[int]
    owner_id: Mapped[int | None] = mapped_column(ForeignKey(User.id))
    owner: Mapped[User | None] = relationship()
    owner_pets: AssociationProxy[list[Any]] = association_proxy("owner", "pets")

    @hybrid_property
    def in_words(self) -> str:
        return f"{self.balance} pounds"

    @property
    def empty(self) -> bool:
        return self.balance == 0


class Letter(Sample):
    __tablename__ = "sample_letters"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]

    @hybrid_property
    def first_word(self) -> str:
        return self.text.split()[0]


class Husband(Sample):
    __tablename__ = "sample_husbands"
    id: Mapped[int] = mapped_column(primary_key=True)
    wife_id: Mapped[int | None] = mapped_column(ForeignKey("sample_wives.id"))
    wife: Mapped["Wife | None"] = relationship(back_populates="husband")


class Wife(Sample):
    __tablename__ = "sample_wives"
    id: Mapped[int] = mapped_column(primary_key=True)
    husband: Mapped[Husband | None] = relationship(back_populates="wife")
    letters: WriteOnlyMapped[Husband] = relationship(viewonly=True)


@dataclass
class HusbandEntity:
    id: int
    wife: "WifeEntity | None"


@dataclass
class WifeEntity:
    husband: HusbandEntity


class OtherBase(DeclarativeBase):
    """A registry of its own, because a broken relationship breaks all models of its registry."""


class Broken(OtherBase):
    __tablename__ = "sample_broken"
    id: Mapped[int] = mapped_column(primary_key=True)
    nothing: Mapped[Any] = relationship("Nothing")


def entity(**annotations: Any) -> type[Any]:
    return dataclass(type("Entity", (), {"__annotations__": {"id": int, **annotations}}))


@dataclass
class EntityWithInitVar:
    id: int
    currency: InitVar[str]


@dataclass
class EntityWithDefault:
    id: int
    overdrawn: bool = False


@dataclass(init=False)
class EntityWithInit:
    id: int
    balance: int

    def __init__(self, id: int) -> None:  # noqa: A002
        self.id = id


class EntityWithoutDataclass:
    id: int


class Undecided(Repository):
    """It lacks a model."""


def repository(base_class: type[Any], entity_class: type[Any] | None = None) -> type[Repository]:
    return type("BrokenRepository", (Repository,), {"base_class": base_class, "entity_class": entity_class})


MISTAKES = {
    "no model": (Undecided, "Undecided has no model: set `base_class`"),
    "a model that is not mapped": (repository(EntityWithDefault), "BrokenRepository has no model: .*EntityWithDefault"),
    "a broken relationship": (repository(Broken), "The model of BrokenRepository cannot be used: .*'Nothing'"),
    "a composite key": (repository(Seat), r"BrokenRepository needs .* that of Seat is \(row, number\): give it an id"),
    "several tables": (repository(Dog), "BrokenRepository cannot store Dog, .* sample_animals, sample_dogs"),
    "an entity that is not a dataclass": (
        repository(Account, EntityWithoutDataclass),
        "`entity_class` of BrokenRepository must be a dataclass, and EntityWithoutDataclass is not one",
    ),
    "a field that nothing is called like": (
        repository(Account, entity(ownr_id=int)),
        r"BrokenRepository cannot fill Entity\.ownr_id: Account has no column ownr_id",
    ),
    "a field with a default that nothing is called like": (
        repository(Account, EntityWithDefault),
        r"cannot fill EntityWithDefault\.overdrawn: .* give the field `init=False`",
    ),
    "a relationship": (
        repository(Account, entity(owner=User)),
        r"BrokenRepository cannot fill Entity\.owner: Account\.owner is a relationship",
    ),
    "a single entity where the model has a list": (
        repository(User, entity(pets=EntityWithDefault)),
        r"Entity\.pets: the relationship User\.pets has many rows, so the field must be `list\[EntityWithDefault\]`",
    ),
    "a list of entities where the model has one": (
        repository(Account, entity(owner=list[EntityWithDefault])),
        r"Entity\.owner: the relationship Account\.owner has one row, .* `EntityWithDefault` or `EntityWithDefault \| ",
    ),
    "a list of models": (repository(User, entity(pets=list[Pet])), r"User\.pets is a relationship, .* Pet is not one"),
    "a field that the model of a held entity lacks": (
        repository(Account, entity(owner=EntityWithDefault)),
        r"BrokenRepository cannot fill EntityWithDefault\.overdrawn: User has no column overdrawn",
    ),
    "entities that hold each other": (
        repository(Husband, HusbandEntity),
        r"cannot fill WifeEntity\.husband: .* HusbandEntity → WifeEntity → HusbandEntity\. Remove one of these fields",
    ),
    "a relationship that cannot be loaded": (
        repository(Wife, entity(letters=list[EntityWithDefault])),
        r"Entity\.letters: Wife\.letters has lazy='write_only', which cannot be loaded",
    ),
    "an annotation that cannot be read": (
        repository(Account, entity(owner="Nobody")),
        r"cannot fill Entity\.owner: its annotation cannot be read \(name 'Nobody' is not defined\)",
    ),
    "an association proxy": (
        repository(Account, entity(owner_pets=list)),
        r"cannot fill Entity\.owner_pets: Account\.owner_pets is not an SQL expression",
    ),
    "a hybrid that cannot be an expression": (
        repository(Letter),
        r"Letter\.first_word is not an SQL expression: make it a `@property`",
    ),
    "a hybrid that is not an expression": (
        repository(Account, entity(in_words=str)),
        r"cannot fill Entity\.in_words: Account\.in_words is not an SQL expression",
    ),
    "a property": (repository(Account, entity(empty=bool)), r"Entity\.empty: Account has no column empty"),
    "a method": (repository(Account, entity(repr=str)), r"Entity\.repr: Account has no column repr"),
    "a setting of the model": (repository(Account, entity(metadata=Any)), "Account has no column metadata"),
    "an argument that is not a field": (
        repository(Account, EntityWithInitVar),
        "cannot create EntityWithInitVar from its fields: missing a required argument: 'currency'",
    ),
    "a field that is not an argument": (
        repository(Account, EntityWithInit),
        "cannot create EntityWithInit from its fields: got an unexpected keyword argument 'balance'",
    ),
}


@pytest.mark.parametrize(("broken", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_stops_the_start_of_the_application(
    config: ChassisConfig, broken: type[Repository], message: str
) -> None:
    class Container(ChassisContainer):
        broken_repository = providers.Singleton(broken, ChassisContainer.database)

    with pytest.raises(ConfigurationError, match=message) as raised:
        ChassisApp("sample", config, Container(config=config))

    assert len(str(raised.value).splitlines()) == 1


def test_a_repository_that_no_provider_has_is_checked_when_it_is_made(users: UserRepository) -> None:
    with pytest.raises(ConfigurationError, match="that of Seat"):
        repository(Seat)(users.database)


def test_the_start_makes_no_repository(config: ChassisConfig) -> None:
    class Container(ChassisContainer):
        user_repository = providers.Singleton(UserRepository, ChassisContainer.database)

    container = Container(config=config)
    ChassisApp("sample", config, container)

    container.database.override(None)
    assert container.user_repository().database is None


@dataclass
class Balance:
    """An entity that refuses what the database allows, and has a field that is not stored."""

    id: int
    balance: int
    overdrawn: bool = field(init=False)

    def __post_init__(self) -> None:
        self.overdrawn = self.balance < 0
        if self.balance > 100:
            raise ValidationError({"balance": "must be at most 100"})


class AccountRepository(Repository):
    base_class = Account
    entity_class = Balance


async def test_a_field_that_is_not_stored_is_computed_by_the_entity(users: UserRepository) -> None:
    account = await AccountRepository(users.database).create({"balance": -1})

    assert account == Balance(id=account.id, balance=-1)
    assert account.overdrawn


async def test_nothing_is_stored_if_the_entity_refuses_it(users: UserRepository) -> None:
    accounts = AccountRepository(users.database)
    account = await accounts.create({"balance": 1})

    for write in (accounts.create({"balance": 101}), accounts.update(account.id, {"balance": 101})):
        with pytest.raises(ValidationError, match="at most 100"):
            await write

    assert [each.balance for each in (await accounts.get_all()).items] == [1]
