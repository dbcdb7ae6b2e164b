"""Every method of a repository returns models that can be read without a session, whatever their loading strategy."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import ForeignKey, Integer, String, event, func, insert, select
from sqlalchemy.exc import InvalidRequestError, SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase, Mapped, column_property, mapped_column, relationship

from chassis.domain.exceptions import ConfigurationError, ConflictError
from chassis.persistence.database import Database
from chassis.persistence.repository import Repository
from chassis.tests.persistence.samples import Sample, User, UserRepository

EAGER = ["immediate", "joined", "selectin", "subquery"]
REFUSING = ["select", "raise", "raise_on_sql"]
OTHERS = ["write_only", "dynamic"]  # for collections only

Method = Callable[[Repository, int], Awaitable[Any]]


async def _get_first(owners: Repository, **params: object) -> Any:  # noqa: ANN401 - a model
    return (await owners.get_all(params)).items[0]


METHODS: dict[str, Method] = {
    "create": lambda owners, _: owners.create({"name": "new"}),
    "update": lambda owners, owner_id: owners.update(owner_id, {"name": "changed"}),
    "update without data": lambda owners, owner_id: owners.update(owner_id, {}),
    "get": lambda owners, owner_id: owners.get(owner_id),
    "find": lambda owners, _: owners.find(),
    "get_all": lambda owners, _: _get_first(owners),
    "get_all itemized": lambda owners, _: _get_first(owners, itemized=True),
}


def define_models(strategy: Any, base: type[Any] = Sample) -> tuple[type[Any], type[Any]]:  # noqa: ANN401
    """Define an owner of many toys, in which both sides of the relationship have the loading strategy."""
    name = strategy.title().replace("_", "")
    to_one: Any = strategy if strategy in (*EAGER, *REFUSING) else "select"
    owner: dict[str, Any] = {
        "__tablename__": f"sample_owners_{strategy}",
        "id": mapped_column(Integer, primary_key=True),
        "name": mapped_column(String(50)),
        "toys": relationship(f"{name}Toy", lazy=strategy, back_populates="owner", order_by=f"{name}Toy.id"),
    }
    toy: dict[str, Any] = {
        "__tablename__": f"sample_toys_{strategy}",
        "id": mapped_column(Integer, primary_key=True),
        "name": mapped_column(String(50)),
        "owner_id": mapped_column(ForeignKey(f"sample_owners_{strategy}.id")),
        "owner": relationship(f"{name}Owner", lazy=to_one, back_populates="toys"),
    }
    return type(f"{name}Owner", (base,), owner), type(f"{name}Toy", (base,), toy)


MODELS = {strategy: define_models(strategy) for strategy in (*EAGER, *REFUSING, *OTHERS)}


class Book(Sample):
    """A model whose attributes come from more than the columns of a row."""

    __tablename__ = "sample_books"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    title: Mapped[str] = mapped_column(String(50))
    text: Mapped[str | None] = mapped_column(deferred=True)
    scan: Mapped[str | None] = mapped_column(deferred=True, deferred_raiseload=True)
    loud_title: Mapped[str] = column_property(func.upper(title))
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "book"}  # noqa: RUF012 - SQLAlchemy's own form


class Atlas(Book):
    scale: Mapped[int | None]
    __mapper_args__ = {"polymorphic_identity": "atlas"}  # noqa: RUF012


class Street(Sample):
    __tablename__ = "sample_streets"
    id: Mapped[int] = mapped_column(primary_key=True)
    houses: Mapped[list["House"]] = relationship(lazy="selectin")


class House(Sample):
    __tablename__ = "sample_houses"
    id: Mapped[int] = mapped_column(primary_key=True)
    street_id: Mapped[int] = mapped_column(ForeignKey(Street.id))
    plan: Mapped[str | None] = mapped_column(deferred=True)
    owner_id: Mapped[int | None] = mapped_column(ForeignKey(User.id))
    owner: Mapped[User | None] = relationship()


class BookRepository(Repository):
    base_class = Book


class AtlasRepository(Repository):
    base_class = Atlas


def repository_of(model: type[Any], database: Database) -> Repository:
    repository: type[Repository] = type(f"{model.__name__}Repository", (Repository,), {"base_class": model})
    return repository(database)


async def store_owner(strategy: str, database: Database) -> int:
    """Store an owner with two toys; return the id of the owner."""
    owner, toy = MODELS[strategy]
    async with database.session() as session:
        owner_id = await session.scalar(insert(owner).values(name="stored").returning(owner.id))
        await session.execute(insert(toy), [{"name": name, "owner_id": owner_id} for name in ("ball", "kite")])
    return int(owner_id)


async def call(method: str, owners: Repository, owner_id: int, *, in_transaction: bool) -> Any:  # noqa: ANN401 - a model
    if not in_transaction:
        return await METHODS[method](owners, owner_id)
    async with owners.transaction():
        return await METHODS[method](owners, owner_id)


@pytest.mark.parametrize("in_transaction", [False, True], ids=["alone", "in a transaction"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("strategy", EAGER)
async def test_an_eager_collection_can_be_read(
    users: UserRepository, strategy: str, method: str, *, in_transaction: bool
) -> None:
    owners = repository_of(MODELS[strategy][0], users.database)
    owner_id = await store_owner(strategy, users.database)

    owner = await call(method, owners, owner_id, in_transaction=in_transaction)

    toys = [] if method == "create" else ["ball", "kite"]
    assert owner.name == {"create": "new", "update": "changed"}.get(method, "stored")
    assert [toy.name for toy in owner.toys] == toys
    assert all(toy.owner is owner for toy in owner.toys)


@pytest.mark.parametrize("method", ["create", "update", "get", "find", "get_all"])
@pytest.mark.parametrize("strategy", EAGER)
async def test_an_eager_reference_can_be_read(users: UserRepository, strategy: str, method: str) -> None:
    toys = repository_of(MODELS[strategy][1], users.database)
    owner_id = await store_owner(strategy, users.database)
    first = await toys.find()
    calls: dict[str, Callable[[], Awaitable[Any]]] = {
        "create": lambda: toys.create({"name": "doll", "owner_id": owner_id}),
        "update": lambda: toys.update(first.id, {"name": "balloon"}),
        "get": lambda: toys.get(first.id),
        "find": toys.find,
        "get_all": lambda: _get_first(toys),
    }

    toy = await calls[method]()

    assert toy.owner.name == "stored"


@pytest.mark.parametrize("in_transaction", [False, True], ids=["alone", "in a transaction"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("strategy", REFUSING)
async def test_a_relationship_that_is_loaded_on_access_raises_one_error_that_names_it(
    users: UserRepository, strategy: str, method: str, *, in_transaction: bool
) -> None:
    model = MODELS[strategy][0]
    owner_id = await store_owner(strategy, users.database)

    owner = await call(method, repository_of(model, users.database), owner_id, in_transaction=in_transaction)

    assert owner.name
    with pytest.raises(InvalidRequestError, match=f"'{model.__name__}.toys' is not available"):
        _ = owner.toys


async def test_a_relationship_of_a_related_model_raises_the_same_error(users: UserRepository) -> None:
    async with users.database.session() as session:
        await session.execute(insert(Street).values(id=1))
        await session.execute(insert(House).values(id=1, street_id=1, plan="drawn"))

    (house,) = (await repository_of(Street, users.database).get(1)).houses

    assert house.plan == "drawn"
    with pytest.raises(InvalidRequestError, match=r"'House\.owner' is not available"):
        _ = house.owner


@pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated")
async def test_a_collection_that_is_never_loaded_is_empty(users: UserRepository) -> None:
    class Base(DeclarativeBase):
        """A registry of its own, because the warning concerns all models of a registry."""

    owner, _ = define_models("noload", Base)
    owners = repository_of(owner, users.database)
    async with users.database.engine.connect() as connection:
        await connection.run_sync(Base.metadata.create_all)
    try:
        stored = await owners.create({"name": "stored"})
        models = [await method(owners, stored.id) for method in METHODS.values()]
    finally:
        async with users.database.engine.connect() as connection:
            await connection.run_sync(Base.metadata.drop_all)

    assert [model.toys for model in models] == [[] for _ in METHODS]


@pytest.mark.parametrize("method", METHODS)
async def test_a_write_only_collection_can_be_queried(users: UserRepository, method: str) -> None:
    owner_id = await store_owner("write_only", users.database)

    owner = await METHODS[method](repository_of(MODELS["write_only"][0], users.database), owner_id)

    async with users.database.session() as session:
        names = (await session.scalars(owner.toys.select().with_only_columns(MODELS["write_only"][1].name))).all()
    assert names == ([] if method == "create" else ["ball", "kite"])


async def test_a_dynamic_collection_is_refused_because_it_would_look_empty(database: Database) -> None:
    with pytest.raises(ConfigurationError, match=r"DynamicOwner\.toys has lazy='dynamic'.* use lazy='write_only'"):
        repository_of(MODELS["dynamic"][0], database)


@pytest.mark.parametrize("method", ["create", "update", "get", "find", "get_all"])
async def test_reads_deferred_columns_and_expressions(users: UserRepository, method: str) -> None:
    books = BookRepository(users.database)
    book = await books.create({"title": "a", "text": "long"})
    calls: dict[str, Callable[[], Awaitable[Any]]] = {
        "create": lambda: books.create({"title": "a", "text": "long"}),
        "update": lambda: books.update(book.id, {"title": "a"}),
        "get": lambda: books.get(book.id),
        "find": books.find,
        "get_all": lambda: _get_first(books),
    }

    read = await calls[method]()

    assert (read.title, read.text, read.loud_title) == ("a", "long", "A")
    with pytest.raises(SQLAlchemyError, match="'scan'"):
        _ = read.scan


async def test_reads_the_columns_of_subclasses(users: UserRepository) -> None:
    atlas = await AtlasRepository(users.database).create({"title": "a", "scale": 1000})
    books = BookRepository(users.database)

    read = [await books.get(atlas.id), await books.update(atlas.id, {"title": "b"}), await books.find()]

    assert [(type(each), each.scale) for each in read] == [(Atlas, 1000)] * 3


@pytest.mark.parametrize("strategy", ["joined", "selectin"])
async def test_a_write_that_cannot_be_read_again_stores_nothing(users: UserRepository, strategy: str) -> None:
    owners = repository_of(MODELS[strategy][0], users.database)
    owner_id = await store_owner(strategy, users.database)

    def fail(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if statement.startswith("SELECT"):
            raise ConflictError("on purpose")

    engine = users.database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", fail)
    try:
        for write in (owners.create({"name": "new"}), owners.update(owner_id, {"name": "changed"})):
            with pytest.raises(ConflictError, match="on purpose"):
                await write
    finally:
        event.remove(engine, "before_cursor_execute", fail)

    assert [owner.name for owner in (await owners.get_all()).items] == ["stored"]


async def test_only_a_write_of_a_model_that_loads_more_than_its_row_needs_a_transaction(
    users: UserRepository, statements: list[str]
) -> None:
    await repository_of(MODELS["joined"][0], users.database).create({"name": "a"})
    assert sorted(statements) == ["BEGIN", "COMMIT", "INSERT", "SELECT"]  # the event precedes the BEGIN that it causes
    statements.clear()

    for strategy in REFUSING:
        await repository_of(MODELS[strategy][0], users.database).create({"name": "a"})

    assert statements == ["INSERT"] * len(REFUSING)


async def test_a_write_in_a_transaction_opens_no_savepoint(users: UserRepository, statements: list[str]) -> None:
    async with users.transaction():
        await repository_of(MODELS["joined"][0], users.database).create({"name": "a"})

    assert sorted(statements) == ["BEGIN", "COMMIT", "INSERT", "SELECT"]


async def test_a_change_of_a_model_that_was_returned_is_not_stored(users: UserRepository) -> None:
    owners = repository_of(MODELS["selectin"][0], users.database)
    owner_id = await store_owner("selectin", users.database)

    async with owners.transaction():
        owner = await owners.get(owner_id)
        owner.name = owner.toys[0].name = "never stored"

    owner = await owners.get(owner_id)
    assert (owner.name, owner.toys[0].name) == ("stored", "ball")


async def test_models_of_the_session_stay_in_it(users: UserRepository) -> None:
    user = await users.create({"name": "a"})

    async with users.transaction(), users.database.session() as session:
        managed: Any = (await session.scalars(select(User))).one()
        returned = await users.update(user.id, {"name": "b"})
        assert managed in session
        managed.name = "c"

    assert (returned.name, (await users.get(user.id)).name) == ("b", "c")
