"""Callers and clients know the attributes of a model, whatever their columns are called."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import ForeignKey, Index, MetaData, Select, String, UniqueConstraint, func, insert, select, text
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, column_property, composite, mapped_column, relationship, synonym

from chassis.domain.exceptions import ConflictError, NotFoundError
from chassis.persistence.database import Database
from chassis.persistence.model import ModelExtension
from chassis.persistence.repository import Repository
from chassis.tests.persistence.samples import PetRepository, Sample, UserRepository


@dataclass
class Size:
    width: int
    height: int


class Order(Sample):
    __tablename__ = "sample_orders"
    __table_args__ = (
        UniqueConstraint("order_tenant", "order_number"),
        Index("ix_sample_orders_code", func.lower(text("order_code")), unique=True),
    )
    id: Mapped[int] = mapped_column("order_id", primary_key=True)
    name: Mapped[str] = mapped_column("order_name", String(50), unique=True)
    title: Mapped[str] = synonym("name")
    tenant: Mapped[int | None] = mapped_column("order_tenant")
    number: Mapped[int | None] = mapped_column("order_number")
    code: Mapped[str | None] = mapped_column("order_code")
    secret: Mapped[str] = mapped_column("order_secret", server_default="hidden")
    notes: Mapped[str | None] = mapped_column("order_notes", deferred=True)
    size: Mapped[Size | None] = composite(mapped_column("w", nullable=True), mapped_column("h", nullable=True))
    loud_name: Mapped[str] = column_property(func.upper(name))
    lines: Mapped[list["OrderLine"]] = relationship(viewonly=True)

    @hybrid_property
    def greeting(self) -> str:
        return "Hello " + self.name


class OrderLine(Sample):
    __tablename__ = "sample_order_lines"
    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey(Order.id))


class OtherOrder(ModelExtension):
    """A table of the same name in another schema; it is never created."""

    metadata = MetaData()
    __tablename__ = "sample_orders"
    __table_args__ = {"schema": "elsewhere"}  # noqa: RUF012 - SQLAlchemy's own form
    id: Mapped[int] = mapped_column(primary_key=True)
    other_name: Mapped[str] = mapped_column("order_name")


Order.line_count = column_property(
    select(func.count(OrderLine.id)).where(OrderLine.order_id == Order.id).correlate_except(OrderLine).scalar_subquery()
)


@dataclass(kw_only=True)
class OrderEntity:
    """It has no field for `secret`, which is NOT NULL: the database has a default."""

    id: int
    name: str
    title: str
    notes: str | None
    size: Size
    loud_name: str
    greeting: str
    line_count: int


class OrderRepository(Repository):
    base_class = Order

    def _apply_query_params(self, query: Select[Any], query_params: Mapping[str, Any]) -> Select[Any]:
        return query.filter_by(**{name: query_params[name] for name in query_params})


class OrderEntityRepository(OrderRepository):
    entity_class = OrderEntity


class LookupRepository(Repository):
    base_class = Order


class LookupEntityRepository(LookupRepository):
    entity_class = OrderEntity


@pytest.fixture(name="orders", params=[OrderRepository, OrderEntityRepository])
def _orders(request: pytest.FixtureRequest, users: UserRepository) -> Repository:
    """Once with models, and once with entities."""
    repository: type[Repository] = request.param
    return repository(users.database)


async def test_creates_updates_filters_and_deletes_by_the_names_of_attributes(orders: Repository) -> None:
    order = await orders.create({"name": "a", "notes": "long"})
    await orders.create({"name": "b"})

    assert await orders.get(order.id) == order or order.name == "a"
    assert (await orders.update(order.id, {"name": "c"})).name == "c"
    for names in ({"name": "c"}, {"title": "c"}, {"loud_name": "C"}, {"greeting": "Hello c"}, {"notes": "long"}):
        assert (await orders.find(names)).id == order.id
        assert (await orders.count(names), await orders.exists(names)) == (1, True)
    assert await orders.delete_all({"name": "c"}) == 1
    with pytest.raises(NotFoundError):
        await orders.get(order.id)


@pytest.mark.parametrize("repository", [LookupRepository, LookupEntityRepository])
async def test_lookups_and_sorting_know_every_kind_of_attribute(
    users: UserRepository, repository: type[Repository]
) -> None:
    orders = repository(users.database)
    first, second, third = await orders.create_many([{"name": name} for name in "abc"])
    async with users.database.session() as session:
        await session.execute(insert(OrderLine), [{"order_id": second.id}])

    for name, value in (("name", "b"), ("title", "b"), ("loud_name", "B"), ("greeting", "Hello b"), ("line_count", 1)):
        assert (await orders.find({name: value})).id == second.id
        assert await orders.count({f"{name}__gte": value}) == (1 if name == "line_count" else 2)
        assert await orders.update_all({name: value}, {"notes": name}) == 1
        assert (await orders.get(second.id)).notes == name
        for sort in (name, f"-{name}"):
            page = await orders.get_all({"sort": sort, "cursor": "", "per_page": 1})
            after = await orders.get_all({"sort": sort, "cursor": page.next_cursor, "per_page": 1})
            assert after.items[0].name == {"line_count": "c", "-line_count": "a"}.get(sort, "b")
    assert await orders.count({"size": None}) == 3
    assert await orders.delete_all({"line_count": 0, "greeting__startswith": "Hello a"}) == 1
    for name in ("lines", "order_name"):
        with pytest.raises(TypeError, match=name):
            await orders.count({name: 1})
        with pytest.raises(TypeError, match=name):
            await orders.get_all({"sort": name})
    with pytest.raises(TypeError, match="size"):
        await orders.get_all({"sort": "size"})
    assert [order.id for order in (await orders.get_all()).items] == [second.id, third.id]
    assert first.id < second.id


async def test_reads_every_kind_of_attribute(orders: Repository, users: UserRepository) -> None:
    created = await orders.create({"name": "a", "notes": "long"})
    updated = await orders.update(created.id, {"notes": "longer"})

    for order, notes in ((created, "long"), (updated, "longer"), (await orders.get(created.id), "longer")):
        assert (order.name, order.title, order.notes) == ("a", "a", notes)
        assert (order.loud_name, order.greeting, order.line_count) == ("A", "Hello a", 0)


async def test_an_expression_concerns_the_row_that_was_written(orders: Repository) -> None:
    first, second = [await orders.create({"name": name}) for name in "ab"]
    async with orders.database.session() as session:
        await session.execute(
            insert(OrderLine), [{"order_id": first.id}, {"order_id": first.id}, {"order_id": second.id}]
        )

    counts = [(await orders.update(order.id, {"notes": "new"})).line_count for order in (first, second)]
    counts.append((await orders.create({"name": "c"})).line_count)

    assert counts == [2, 1, 0]


async def test_writes_by_a_synonym(orders: Repository) -> None:
    order = await orders.create({"title": "a"})
    assert order.name == "a"

    assert (await orders.update(order.id, {"title": "b"})).name == "b"


@pytest.mark.parametrize("name", ["order_name", "loud_name", "greeting", "lines", "line_count", "nmae"])
async def test_a_name_that_cannot_be_written_is_a_mistake_that_names_it(orders: Repository, name: str) -> None:
    order = await orders.create({"name": "a"})

    for write in (orders.create({"name": "b", name: "b"}), orders.update(order.id, {name: "b"})):
        with pytest.raises(TypeError, match=f"Order has no column {name}"):
            await write

    assert await orders.count() == 1


async def test_a_required_column_may_have_no_field_in_the_entity(orders: Repository, database: Database) -> None:
    await orders.create({"name": "a", "secret": "written"})

    async with database.session() as session:
        assert await session.scalar(select(Order.secret)) == "written"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"name": "a"}, {"name": "already exists"}),
        ({"tenant": 1, "number": 2}, {"tenant": "already exists", "number": "already exists"}),
        ({"code": "x"}, {"code": "already exists"}),
    ],
)
async def test_a_conflict_names_the_attribute(orders: Repository, data: dict[str, Any], message: object) -> None:
    await orders.create({"name": "first", **data})
    second = await orders.create({"name": "second"})

    for write in (orders.create({"name": "third", **data}), orders.update(second.id, data)):
        with pytest.raises(ConflictError) as raised:
            await write
        assert raised.value.message == message


@pytest.mark.parametrize(
    ("schema", "attribute"), [("public", "name"), ("elsewhere", "other_name"), ("unknown", "name"), ("", "name")]
)
async def test_a_conflict_names_the_attribute_of_the_model_in_its_schema(
    schema: str, attribute: str, users: UserRepository
) -> None:
    error = "USING ERRCODE = '23505', DETAIL = 'Key (order_name)=(a) already exists.', TABLE = 'sample_orders'"
    statement = text(f"DO $$ BEGIN RAISE EXCEPTION 'duplicate' {error}, SCHEMA = '{schema}'; END $$")

    with pytest.raises(ConflictError) as raised:
        async with users.database.session() as session:
            await session.execute(statement)

    assert raised.value.message == {attribute: "already exists"}


async def test_a_conflict_in_a_table_without_a_model_names_the_column(pets: PetRepository) -> None:
    error = "USING ERRCODE = '23505', DETAIL = 'Key (order_name)=(a) already exists.', TABLE = 'unknown'"

    with pytest.raises(ConflictError) as raised:
        async with pets.database.session() as session:
            await session.execute(text(f"DO $$ BEGIN RAISE EXCEPTION 'duplicate' {error}; END $$"))

    assert raised.value.message == {"order_name": "already exists"}
