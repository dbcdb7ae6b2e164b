"""A column for each type of SQLAlchemy and PostgreSQL, and for types that a service writes itself."""

import enum
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy import MetaData
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.types import TypeDecorator, TypeEngine, UserDefinedType

from chassis.persistence.model import NAMING_CONVENTION, ModelExtension


class Kind(ModelExtension):
    __abstract__ = True
    metadata = MetaData(naming_convention=NAMING_CONVENTION)


class Color(enum.Enum):
    RED = "red"
    GREEN = "green"


class Email(TypeDecorator[str]):
    """Stored as a text of limited length."""

    impl = sa.String(320)
    cache_ok = True


class Money(TypeDecorator[Decimal]):
    """Stored as another type on PostgreSQL than elsewhere."""

    impl = sa.String
    cache_ok = True

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale

    def load_dialect_impl(self, dialect: sa.Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(sa.Numeric(18, self.scale) if dialect.name == "postgresql" else sa.String(20))


class Tags(TypeDecorator[list[str]]):
    impl = pg.ARRAY(Email())
    cache_ok = True


class Slug(sa.String):
    """A subclass of a type of SQLAlchemy, which is not a decorator."""


class XML(UserDefinedType[str]):
    """A type that SQLAlchemy does not know."""

    cache_ok = True

    def get_col_spec(self, **_options: object) -> str:
        return "XML"


class Vector(UserDefinedType[list[float]]):
    """A type with a parameter, of an extension."""

    cache_ok = True

    def get_col_spec(self, **_options: object) -> str:
        return "VECTOR(3)"


mood = pg.ENUM("happy", "it's so-so", name="mood")
TYPES: dict[str, TypeEngine[Any]] = {
    "big_integer": sa.BigInteger(),
    "boolean": sa.Boolean(),
    "checked_boolean": sa.Boolean(create_constraint=True),
    "date": sa.Date(),
    "date_time": sa.DateTime(),
    "date_time_with_timezone": sa.DateTime(timezone=True),
    "double": sa.Double(),
    "enum_of_class": sa.Enum(Color),
    "enum_of_strings": sa.Enum("a", "b|c", "d:e", name="letters"),
    "enum_as_text": sa.Enum(Color, native_enum=False),
    "enum_as_checked_text": sa.Enum(Color, native_enum=False, create_constraint=True),
    "enum_as_long_text": sa.Enum("a", "b", native_enum=False, length=40),
    "float": sa.Float(),
    "float_24": sa.Float(24),
    "integer": sa.Integer(),
    "interval": sa.Interval(),
    "interval_of_days": sa.Interval(day_precision=2, second_precision=3),
    "json": sa.JSON(),
    "json_none_as_null": sa.JSON(none_as_null=True),
    "large_binary": sa.LargeBinary(),
    "numeric": sa.Numeric(),
    "numeric_10": sa.Numeric(10),
    "numeric_10_2": sa.Numeric(10, 2),
    "pickle": sa.PickleType(),
    "small_integer": sa.SmallInteger(),
    "string": sa.String(),
    "string_50": sa.String(50),
    "string_collated": sa.String(50, collation="C"),
    "text": sa.Text(),
    "time": sa.Time(),
    "time_with_timezone": sa.Time(timezone=True),
    "unicode": sa.Unicode(20),
    "unicode_text": sa.UnicodeText(),
    "uuid": sa.Uuid(),
    "uuid_as_text": sa.Uuid(as_uuid=False),
    "sql_bigint": sa.BIGINT(),
    "sql_boolean": sa.BOOLEAN(),
    "sql_char": sa.CHAR(3),
    "sql_date": sa.DATE(),
    "sql_decimal": sa.DECIMAL(8, 3),
    "sql_double_precision": sa.DOUBLE_PRECISION(),
    "sql_float": sa.FLOAT(),
    "sql_int": sa.INT(),
    "sql_integer": sa.INTEGER(),
    "sql_nchar": sa.NCHAR(4),
    "sql_numeric": sa.NUMERIC(7, 1),
    "sql_real": sa.REAL(),
    "sql_smallint": sa.SMALLINT(),
    "sql_text": sa.TEXT(),
    "sql_time": sa.TIME(timezone=True),
    "sql_timestamp": sa.TIMESTAMP(timezone=True),
    "sql_uuid": sa.UUID(),
    "sql_varchar": sa.VARCHAR(9),
    "array": sa.ARRAY(sa.Integer),
    "array_of_strings": pg.ARRAY(sa.String(20)),
    "array_of_two_dimensions": pg.ARRAY(sa.Text, dimensions=2),
    "array_of_emails": pg.ARRAY(Email()),
    "array_of_enums": pg.ARRAY(sa.Enum("x|y", "z", name="axis")),
    "array_of_moods": pg.ARRAY(mood),
    "array_of_json": pg.ARRAY(pg.JSONB),
    "array_with_collation": pg.ARRAY(sa.Text(collation="C")),
    "pg_bit": pg.BIT(4),
    "pg_bit_varying": pg.BIT(8, varying=True),
    "pg_bytea": pg.BYTEA(),
    "pg_cidr": pg.CIDR(),
    "pg_datemultirange": pg.DATEMULTIRANGE(),
    "pg_daterange": pg.DATERANGE(),
    "pg_domain": pg.DOMAIN("positive", sa.Integer, check="VALUE > 0"),
    "pg_domain_with_default": pg.DOMAIN(
        "short_text",
        sa.Text,
        collation="C",
        default="a:b",
        not_null=True,
        constraint_name="short",
        check="VALUE != '\\:x'",
    ),
    "pg_enum": mood,
    "pg_inet": pg.INET(),
    "pg_int4multirange": pg.INT4MULTIRANGE(),
    "pg_int4range": pg.INT4RANGE(),
    "pg_int8multirange": pg.INT8MULTIRANGE(),
    "pg_int8range": pg.INT8RANGE(),
    "pg_interval": pg.INTERVAL(fields="DAY TO SECOND", precision=2),
    "pg_json": pg.JSON(),
    "pg_jsonb": pg.JSONB(),
    "pg_jsonb_astext": pg.JSONB(astext_type=sa.Text(collation="C")),
    "pg_jsonpath": pg.JSONPATH(),
    "pg_macaddr": pg.MACADDR(),
    "pg_macaddr8": pg.MACADDR8(),
    "pg_money": pg.MONEY(),
    "pg_nummultirange": pg.NUMMULTIRANGE(),
    "pg_numrange": pg.NUMRANGE(),
    "pg_oid": pg.OID(),
    "pg_regclass": pg.REGCLASS(),
    "pg_regconfig": pg.REGCONFIG(),
    "pg_time": pg.TIME(timezone=True, precision=3),
    "pg_timestamp": pg.TIMESTAMP(timezone=True, precision=0),
    "pg_tsmultirange": pg.TSMULTIRANGE(),
    "pg_tsquery": pg.TSQUERY(),
    "pg_tsrange": pg.TSRANGE(),
    "pg_tstzmultirange": pg.TSTZMULTIRANGE(),
    "pg_tstzrange": pg.TSTZRANGE(),
    "pg_tsvector": pg.TSVECTOR(),
    "email": Email(),
    "money": Money(4),
    "tags": Tags(),
    "slug": Slug(30),
    "xml": XML(),
    "variant": sa.JSON().with_variant(pg.JSONB(), "postgresql"),
    "variant_for_another_database": sa.String(10).with_variant(sa.Integer(), "sqlite"),
}
EXTENSION_TYPES: dict[str, TypeEngine[Any]] = {"citext": pg.CITEXT(), "hstore": pg.HSTORE(), "vector": Vector()}

every_type = sa.Table(
    "every_type",
    Kind.metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    *(sa.Column(name, type_) for name, type_ in TYPES.items()),
)
