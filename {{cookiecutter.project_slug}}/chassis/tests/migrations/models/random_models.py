"""Models that Hypothesis makes up from all kinds of columns, keys, constraints and indexes."""

from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import strategies as st
from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    Date,
    DateTime,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import INET, ExcludeConstraint
from sqlalchemy.types import TypeEngine

from chassis.persistence.model import NAMING_CONVENTION
from chassis.tests.migrations.models.defaults import DEFAULTS
from chassis.tests.migrations.models.types import TYPES, Email

Draw = Callable[[st.SearchStrategy[Any]], Any]
MakeType = Callable[[], TypeEngine[Any]]

TABLE_NAMES = ["user", "user_role", "Order Item", "größe", "select", "a", "a_b", f"long_{'x' * 58}"]
COLUMN_NAMES = ["id", "role_id", "b", "b_c", "Mixed Case", "größe", "order", "100%", "_under", f"long_{'y' * 58}"]
SCHEMAS = [None, None, None, "billing", "Schema 2"]
COMMENTS = [None, None, "", 'it\'s "quoted": 100% \\ and\ntwo lines']
KEY_TYPES: list[MakeType] = [Integer, Integer, BigInteger, Text, Uuid, lambda: String(40)]
PLAIN_TYPES: list[MakeType] = [*KEY_TYPES, Date, lambda: DateTime(timezone=True), lambda: Numeric(10, 2), Email, INET]
OTHER_COLUMNS = [
    *((type_, None) for type_ in TYPES.values()),
    *(default for name, default in DEFAULTS.items() if not name.startswith("next_value")),
]
ACTIONS = [None, None, "CASCADE", "SET NULL", "RESTRICT"]


@st.composite
def random_models(draw: Draw) -> MetaData:
    metadata = MetaData(naming_convention=NAMING_CONVENTION)
    names = st.tuples(st.sampled_from(SCHEMAS), st.sampled_from(TABLE_NAMES))
    for schema, name in draw(st.lists(names, min_size=1, max_size=3, unique=True)):
        RandomTable(draw, Table(name, metadata, schema=schema, comment=draw(st.sampled_from(COMMENTS)))).fill()
    return metadata


class RandomTable:
    def __init__(self, draw: Draw, table: Table) -> None:
        self.draw = draw
        self.table = table
        self.plain: list[Column[Any]] = []  # those of a type that can be compared and sorted
        self.made: set[tuple[object, ...]] = set()  # nothing twice, because it would have the same name

    def fill(self) -> None:
        names = self.draw(st.lists(st.sampled_from(COLUMN_NAMES), min_size=2, max_size=7, unique=True))
        size_of_key = self.draw(st.integers(1, 2))
        for name in names[:size_of_key]:
            self.add_key(name, alone=size_of_key == 1)
        for name in names[size_of_key:]:
            self.draw(st.sampled_from([self.add_plain_column, self.add_other_column]))(name)
        makers = [self.add_unique, self.add_check, self.add_index, self.add_expression, self.add_exclusion]
        for make in self.draw(st.lists(st.sampled_from([*makers, self.add_computed, self.add_reference]), max_size=6)):
            make()

    def pick(self, values: Sequence[Any]) -> Any:  # noqa: ANN401
        return self.draw(st.sampled_from(values))

    def pick_columns(self) -> list[Column[Any]]:
        positions = st.lists(st.sampled_from(range(len(self.plain))), min_size=1, max_size=3, unique=True)
        return [self.plain[position] for position in self.draw(positions)]

    def is_new(self, *description: object) -> bool:
        self.made, before = self.made | {description}, self.made
        return self.made != before

    def add_column(self, column: Column[Any]) -> Column[Any]:
        self.table.append_column(column)
        return column

    def add_key(self, name: str, *, alone: bool) -> None:
        type_ = self.pick(KEY_TYPES)()
        options = [Identity(always=self.pick([True, False]), start=self.pick([1, 42]))]
        use_identity = isinstance(type_, Integer) and alone and self.pick([True, False])
        column = Column(name, type_, *(options if use_identity else []), primary_key=True)
        self.plain.append(self.add_column(column))

    def add_plain_column(self, name: str) -> None:
        unique, index = self.pick([(False, False), (False, False), (True, False), (False, True), (True, True)])
        comment = self.pick(COMMENTS)
        column = Column(name, self.pick(PLAIN_TYPES)(), nullable=self.pick([True, False]), comment=comment)
        column.unique, column.index = unique, index
        self.made |= {("unique", name)} if unique and not index else {("index", name)} if index else set()
        self.plain.append(self.add_column(column))

    def add_other_column(self, name: str) -> None:
        type_, default = self.pick(OTHER_COLUMNS)
        self.add_column(Column(name, type_, server_default=default, nullable=self.pick([True, False])))

    def add_unique(self) -> None:
        columns = self.pick_columns()
        options = self.pick(
            [{}, {"deferrable": True, "initially": "DEFERRED"}, {"postgresql_nulls_not_distinct": True}]
        )
        if self.is_new("unique", *(column.name for column in columns)):
            self.table.append_constraint(UniqueConstraint(*columns, **options))

    def add_check(self) -> None:
        quoted = f'"{self.pick(self.plain).name}"'
        conditions = ["{} IS NOT NULL", "{}::text IN ('a', 'b', ' \\:c')", "length({}::text) > 1 OR {} IS NULL"]
        condition, name = self.pick(conditions).replace("{}", quoted), self.pick([None, None, "named", "ä"])
        if self.is_new("check", name or condition):
            self.table.append_constraint(CheckConstraint(condition, name=name))

    def add_index(self) -> None:
        columns = self.pick_columns()
        where = self.pick([None, f'"{columns[0].name}" IS NOT NULL'])
        options: dict[str, Any] = {"postgresql_where": text(where)} if where else {}
        if self.is_new("index", *(column.name for column in columns), *([where] if where else [])):
            Index(None, *columns, unique=self.pick([True, False]), **options)

    def add_expression(self) -> None:
        column = self.pick(self.plain)
        expressions = [column.desc(), column.asc().nulls_first()]
        if isinstance(column.type, String):
            expressions.append(func.lower(func.coalesce(column, "a:b")))
        position = self.pick(range(len(expressions)))
        if self.is_new("expression", column.name, position):
            Index(None, expressions[position], postgresql_with=self.pick([{}, {"fillfactor": 70}]))

    def add_exclusion(self) -> None:
        networks = [column for column in self.plain if isinstance(column.type, INET)]
        if networks and self.is_new("exclusion", networks[0].name):
            exclusion = ExcludeConstraint((networks[0], "&&"), using="gist", ops={networks[0].name: "inet_ops"})
            self.table.append_constraint(exclusion)

    def add_computed(self) -> None:
        column = self.pick(self.plain)
        name = f"computed {len(self.table.columns)}"
        expression = f'"{column.name}" IS NULL OR "{column.name}" IN ("{column.name}")'
        self.add_column(Column(name, Boolean, Computed(expression, persisted=True)))

    def add_reference(self) -> None:
        target = self.pick(list(self.table.metadata.tables.values()))
        key = list(target.primary_key.columns)
        columns = [self.add_column(Column(f"ref {len(self.table.columns)}", column.type)) for column in key]
        options = {
            "ondelete": self.pick(ACTIONS),
            "onupdate": self.pick(ACTIONS),
            "deferrable": self.pick([None, True]),
        }
        self.table.append_constraint(ForeignKeyConstraint(columns, key, **options))
