"""Revisions name what the database stores, so that they outlive the classes of the service."""

from typing import Any, Literal

import sqlalchemy
from alembic.autogenerate.api import AutogenContext
from sqlalchemy import (
    ARRAY,
    JSON,
    Boolean,
    CheckConstraint,
    ClauseElement,
    Computed,
    DefaultClause,
    Enum,
    Interval,
    PickleType,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import PrimaryKeyConstraint
from sqlalchemy.sql.functions import AnsiFunction, now
from sqlalchemy.types import NullType, TypeDecorator, TypeEngine, UserDefinedType

from chassis.persistence.naming import name_check

MODULES = {"sa": sqlalchemy, "postgresql": postgresql}
NOT_STORED = (TypeEngine, TypeDecorator, UserDefinedType)
LEAVE_TO_ALEMBIC: Literal[False] = False
Rendered = str | Literal[False] | None


def render_item(kind: str, item: object, context: AutogenContext) -> Rendered:
    """Return Python for a part of a revision, `None` for a part that it does not need, or `LEAVE_TO_ALEMBIC`."""
    match kind, item:
        case "type", TypeEngine():
            return render_type(item, context)
        case "server_default", _:
            return _render_server_default(item, context)
        case "check", CheckConstraint():
            return _render_check(item, context)
        case "primary_key", PrimaryKeyConstraint():
            return _render_primary_key(item)
        case "exclude", _:
            return None  # see `split_tables`
    return LEAVE_TO_ALEMBIC


def render_type(type_: TypeEngine[Any], context: AutogenContext) -> Rendered:
    if isinstance(type_, NullType):
        return LEAVE_TO_ALEMBIC
    variants = sorted(getattr(type_, "_variant_mapping", {}).items())
    rendered = [f".with_variant({_render_type(variant, context)}, {name!r})" for name, variant in variants]
    return _render_type(type_, context) + "".join(rendered)


def _render_type(type_: TypeEngine[Any], context: AutogenContext) -> str:
    match type_:
        case ARRAY():
            dimensions = f", dimensions={type_.dimensions}" if type_.dimensions else ""
            return _call("postgresql", f"ARRAY({render_type(type_.item_type, context)}{dimensions})", context)
        case postgresql.DOMAIN():
            arguments = f"{str(type_.name)!r}, {render_type(type_.data_type, context)}"
            return _call("postgresql", f"DOMAIN({arguments}{_schema(type_)}, create_type=False)", context)
        case Enum():
            return _render_enum(type_, context)
        case Interval() if _sql(type_, context) == _sql(Interval(), context):
            return "sa.Interval()"  # SQLAlchemy knows what other databases store instead
        case Interval(native=True) if context.dialect.name == "postgresql":
            return _render_plain_type(type_.dialect_impl(context.dialect), context)
        case TypeDecorator():
            return str(render_type(type_.load_dialect_impl(context.dialect), context))
        case _:
            return _render_plain_type(type_, context)


def _render_enum(type_: Enum, context: AutogenContext) -> str:
    """`CREATE TYPE` is a statement of its own, see `requirements`; without it, an enum is a text."""
    if type_.native_enum and context.dialect.supports_native_enum:
        members = ", ".join(map(repr, type_.enums))
        return f"sa.Enum({members}, name={str(type_.name)!r}{_schema(type_)}, create_type=False)"
    return f"sa.String(length={type_.length})"


def _schema(type_: Enum | postgresql.DOMAIN) -> str:
    return f", schema={str(type_.schema)!r}" if type_.schema else ""


def _render_plain_type(type_: TypeEngine[Any], context: AutogenContext) -> str:
    """Render the first base class that SQLAlchemy exports, if it stores the same; else SQL."""
    for base in type(type_).__mro__:
        if prefix := _exporting_module(base):
            plain = type_ if type(type_) is base else type_.adapt(base)
            if _sql(plain, context) == _sql(type_, context):
                return _call(prefix, _arguments(plain), context)
    context.imports.add("from chassis.persistence.sql_type import SQLType")
    return f"SQLType({_sql(type_, context)!r})"


def _exporting_module(class_: type) -> str | None:
    if not issubclass(class_, TypeEngine) or class_ in NOT_STORED:
        return None
    return next((name for name, module in MODULES.items() if getattr(module, class_.__name__, None) is class_), None)


def _sql(type_: TypeEngine[Any], context: AutogenContext) -> str:
    return context.dialect.type_compiler_instance.process(type_)


def _arguments(type_: TypeEngine[Any]) -> str:
    """Leave out what only Python has to know."""
    if isinstance(type_, (JSON, Boolean, PickleType, postgresql.HSTORE)):
        return f"{type(type_).__name__}()"
    return repr(type_)


def _call(prefix: str, call: str, context: AutogenContext) -> str:
    if prefix != "sa":
        context.imports.add(f"from sqlalchemy.dialects import {prefix}")
    return f"{prefix}.{call}"


def _render_server_default(default: object, context: AutogenContext) -> Rendered:
    match default:
        case Computed(persisted=None) if not getattr(context.dialect, "supports_virtual_generated_columns", True):
            return f"sa.Computed({_expression(default.sqltext, context)!r}, persisted=True)"  # or SQLAlchemy would warn
        case DefaultClause(arg=str(text)):
            return repr(text)
        case DefaultClause(arg=AnsiFunction(name=name) | now(name=name)):
            return f"sa.func.{name}()"  # SQLAlchemy knows how each database spells it
    return LEAVE_TO_ALEMBIC


def _render_check(constraint: CheckConstraint, context: AutogenContext) -> Rendered:
    """Render the check of an Enum or a Boolean, which Alembic would leave to the type."""
    if not getattr(constraint, "_type_bound", False):
        return LEAVE_TO_ALEMBIC
    needed = getattr(constraint, "_create_rule", None)
    if needed and not needed(context.migration_context.impl):
        return None
    name = name_check(constraint, constraint.table)
    return f"sa.CheckConstraint({_expression(constraint.sqltext, context)!r}, name=op.f({name!r}))"


def _render_primary_key(constraint: PrimaryKeyConstraint) -> Rendered:
    """Render the options that Alembic leaves out."""
    options = {"deferrable": constraint.deferrable, "initially": constraint.initially, **constraint.dialect_kwargs}
    given = [f"{name}={value!r}" for name, value in options.items() if value]
    if not given:
        return LEAVE_TO_ALEMBIC
    columns = [repr(str(column.name)) for column in constraint.columns]
    return f"sa.PrimaryKeyConstraint({', '.join([*columns, f'name=op.f({str(constraint.name)!r})', *given])})"


def _expression(expression: ClauseElement, context: AutogenContext) -> str:
    return context.migration_context.impl.render_ddl_sql_expr(expression)
