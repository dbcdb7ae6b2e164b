"""Reads the specification of an entity from its code, because nothing else records it."""

import enum
from importlib import import_module
from types import ModuleType
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Enum,
    Float,
    Integer,
    Numeric,
    String,
    Text,
    Uuid,
    inspect,
)
from sqlalchemy.dialects.postgresql import JSONB

from chassis.dev.generate.defaults import read_default
from chassis.dev.generate.fields import Field
from chassis.dev.generate.names import pascal_case, plural_of
from chassis.dev.generate.refusal import GeneratorError
from chassis.dev.generate.service import Service, table_of
from chassis.dev.generate.specification import Specification
from chassis.persistence.model import UTCDateTime

_TYPES: tuple[tuple[type[Any], str], ...] = (  # a subclass before its base class
    (Enum, "enum"),
    (Text, "text"),
    (String, "string"),
    (BigInteger, "biginteger"),
    (Integer, "integer"),
    (Float, "float"),
    (Numeric, "decimal"),
    (Boolean, "boolean"),
    (Date, "date"),
    (UTCDateTime, "datetime"),
    (DateTime, "datetime"),
    (Uuid, "uuid"),
    (JSONB, "json"),
)


def read_specification(service: Service, name: str) -> Specification:
    """Return the specification that would generate the entity; what the generator does not know is left out.

    Raises:
        GeneratorError: there is no such entity, or it has no controller.
    """
    model = service.find_model(name)
    key, *_ = table_of(model).primary_key.columns
    module = _find_controller(name)
    create = getattr(module, f"{pascal_case(name)}CreateSchema", None)
    query = getattr(module, f"{pascal_case(name)}Query", None)
    columns = [attribute for attribute in inspect(model).column_attrs if not attribute.columns[0].primary_key]
    names = set(create.model_fields) if create else {attribute.key for attribute in columns}
    fields = [_read_field(service, each.key, each.columns[0], query) for each in columns if each.key in names]
    return Specification(
        name=name,
        plural=_read_plural(service, name),
        path=_read_path(service, name),
        key="UUID" if isinstance(key.type, Uuid) else "int",
        fields=tuple(field for field in fields if field),
    )


def _find_controller(name: str) -> ModuleType:
    try:
        return import_module(f"src.api.controllers.{name}")
    except ModuleNotFoundError:
        raise GeneratorError(
            f"src/api/controllers/{name}.py does not exist: only entities with one can be changed."
        ) from None


def _read_field(service: Service, name: str, column: Column[Any], query: Any) -> Field | None:  # noqa: ANN401 - a class or None
    type_name, arguments, target = _read_type(service, column)
    if type_name is None:
        return None
    queried = query.model_fields if query else {}
    sort = str(queried["sort"].description) if "sort" in queried else ""
    is_filtered = any(parameter.partition("__")[0] == name for parameter in queried)
    return Field(
        name=name,
        type=type_name,
        arguments=arguments,
        nullable=bool(column.nullable),
        unique=bool(column.unique),
        index=bool(column.index),
        filter=is_filtered,
        sort=f"`{name}`" in sort,
        default=read_default(column.server_default, getattr(column.type, "enum_class", None)),
        target=service.find_target(target) if target else None,
    )


def _read_type(service: Service, column: Column[Any]) -> tuple[str | None, tuple[str, ...], str | None]:
    """Return the type as it is typed, its arguments, and the entity that the column refers to."""
    for key in column.foreign_keys:
        for model in service.models():
            if table_of(model) is key.column.table:
                target = model.__module__.rpartition(".")[2]
                return "references", (target,), target
    name = next((name for kind, name in _TYPES if isinstance(column.type, kind)), None)
    return name, _read_arguments(name, column.type), None


def _read_arguments(name: str | None, column_type: Any) -> tuple[str, ...]:  # noqa: ANN401 - of any kind
    match name:
        case "string":
            return (str(column_type.length or 255),)
        case "decimal":
            return str(column_type.precision or 10), str(column_type.scale or 0)
        case "enum" if isinstance(column_type.enum_class, type) and issubclass(column_type.enum_class, enum.Enum):
            return tuple(str(member.value) for member in column_type.enum_class)
    return ()


def _read_path(service: Service, name: str) -> str:
    rules = service.app.url_map.iter_rules()
    paths = [rule.rule for rule in rules if rule.endpoint.startswith(f"{name}.") and not rule.arguments]
    return min(paths, key=len, default=f"/v1/{name}")


def _read_plural(service: Service, name: str) -> str:
    """Return the plural after which the view of the list is called."""
    prefix = f"{name}.list_"
    endpoints = [rule.endpoint for rule in service.app.url_map.iter_rules() if rule.endpoint.startswith(prefix)]
    return min(endpoints, key=len).removeprefix(prefix) if endpoints else plural_of(name)
