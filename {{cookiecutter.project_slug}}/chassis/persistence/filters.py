"""Lookups become SQL here: a repository can filter and sort by every attribute of its model that is an expression."""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Enum, Numeric, String, bindparam, false, inspect, or_, true
from sqlalchemy.ext.hybrid import HybridExtensionType
from sqlalchemy.orm import CompositeProperty, Mapper, RelationshipProperty
from sqlalchemy.orm.interfaces import NotExtension
from sqlalchemy.types import BigInteger, Float, Integer, NullType, TypeDecorator, TypeEngine

from chassis.domain.lookups import TEXT_OPERATORS, Lookup, read_lookups
from chassis.persistence.keys import MAX_INTEGER, MIN_INTEGER
from chassis.persistence.loading import is_stored

Condition = ColumnElement[bool]
ESCAPE = "/"  # before wildcards in a pattern
COMPARISONS: Mapping[str, Callable[[Any, Any], Condition]] = {
    "eq": lambda field, value: field == value,
    "ne": lambda field, value: field.is_distinct_from(value),
    "gt": lambda field, value: field > value,
    "gte": lambda field, value: field >= value,
    "lt": lambda field, value: field < value,
    "lte": lambda field, value: field <= value,
}
_NULL_TYPE = NullType()


class Filters:
    """Knows the attributes of a model by their names: columns, synonyms, hybrids and column properties."""

    def __init__(self, owner: str, base_class: type[Any]) -> None:
        """Take the name of the repository for messages."""
        self._owner = owner
        self._mapper: Mapper[Any] = inspect(base_class)
        self.table = str(self._mapper.local_table)
        self.key_name = self._mapper.get_property_by_column(self._mapper.primary_key[0]).key

    def conditions(self, params: Mapping[str, Any]) -> list[Condition]:
        """Return a condition for each parameter.

        Raises:
            TypeError: a name is not a filter, or a value does not suit its operator.
            ValidationError: a text cannot be stored.
        """
        return [self._condition(lookup) for lookup in read_lookups(params, self.is_field, self._owner)]

    def is_field(self, name: str) -> bool:
        descriptor = self._mapper.all_orm_descriptors.get(name)
        if descriptor is None or name in self._mapper.relationships:
            return False
        if descriptor.extension_type is HybridExtensionType.HYBRID_PROPERTY:
            return True
        return descriptor.extension_type is NotExtension.NOT_EXTENSION and not self._is_relationship(name)

    def is_sortable(self, name: str) -> bool:
        return self.is_field(name) and not isinstance(self._property(name), CompositeProperty)

    def expression(self, name: str) -> Any:  # noqa: ANN401 - an attribute of the model, or its column
        """Return what the name stands for; a statement of plain columns costs less than one of attributes.

        With attributes of a model that inherits another one, a statement concerns the rows of that model only.
        """
        attribute = self._mapper.column_attrs.get(name)
        if attribute is not None and is_stored(attribute) and self._mapper.inherits is None:
            return attribute.columns[0]
        return getattr(self._mapper.class_, name)

    def is_nullable(self, name: str) -> bool:
        """Return whether the field may be null, which is not known of an expression."""
        return bool(getattr(self.expression(name), "nullable", True))

    def _property(self, name: str) -> Any:  # noqa: ANN401
        synonym = self._mapper.synonyms.get(name)
        return self._mapper.attrs.get(synonym.name if synonym else name)

    def _is_relationship(self, name: str) -> bool:
        return isinstance(self._property(name), RelationshipProperty)

    def _condition(self, lookup: Lookup) -> Condition:
        field, value = self.expression(lookup.field), lookup.value
        if lookup.operator == "isnull":
            return is_null(field, null=value)
        if isinstance(self._property(lookup.field), CompositeProperty):
            return self._compare_composite(field, lookup)
        if lookup.operator == "in":
            return _is_one_of(field, value)
        if lookup.operator in TEXT_OPERATORS:
            return self._is_like(field, lookup)
        return compare(field, lookup.operator, value)

    def _is_like(self, field: Any, lookup: Lookup) -> Condition:  # noqa: ANN401
        field_type = storage_type(field)
        if not isinstance(field_type, String | NullType) or isinstance(field_type, Enum):
            msg = f"{lookup.name} needs a text, and {self._owner} stores {lookup.field} as {field_type!r}"
            raise TypeError(msg)
        if lookup.value is None:
            return false()
        before = "" if lookup.operator == "startswith" else "%"
        pattern = bindparam(None, f"{before}{_escape(lookup.value)}%", type_=String())
        like = field.ilike if lookup.operator == "icontains" else field.like
        condition: Condition = like(pattern, escape=ESCAPE)
        return condition

    def _compare_composite(self, field: Any, lookup: Lookup) -> Condition:  # noqa: ANN401
        if lookup.operator not in ("eq", "ne"):
            msg = f"{self._owner} does not filter by {lookup.name}"
            raise TypeError(msg)
        condition: Condition = field == lookup.value if lookup.operator == "eq" else field != lookup.value
        return condition


def compare(field: Any, operator: str, value: object, parameter: str | None = None) -> Condition:  # noqa: ANN401
    """Compare with one value, which is a parameter and may have a name.

    Null is equal to None, not equal to anything else, and neither less nor greater.
    """
    if value is None:
        return is_null(field, null=operator == "eq") if operator in ("eq", "ne") else false()
    if isinstance(declared_type(field), Integer) and not _is_bigint(value):
        return _compare_huge_number(field, operator, value)
    return COMPARISONS[operator](field, bind(field, value, parameter))


def is_null(field: Any, *, null: bool = True) -> Condition:  # noqa: ANN401
    condition: Condition = field.is_(None) if null else field.is_not(None)
    return condition


def bind(field: Any, value: object, name: str | None = None) -> Any:  # noqa: ANN401
    """Give the value a type that holds it as it is; the column's own one would refuse or round it."""
    declared = declared_type(field)
    if isinstance(declared, Integer):
        declared = BigInteger()
    elif isinstance(declared, Numeric) and not isinstance(declared, Float):
        declared = Numeric() if declared.asdecimal else Numeric(asdecimal=False)
    return bindparam(name, value, type_=None if isinstance(declared, NullType) else declared)


def declared_type(field: Any) -> TypeEngine[Any]:  # noqa: ANN401
    found = getattr(field, "type", None)
    return found if isinstance(found, TypeEngine) else _NULL_TYPE


def storage_type(field: Any) -> TypeEngine[Any]:  # noqa: ANN401
    found = declared_type(field)
    return found.impl_instance if isinstance(found, TypeDecorator) else found


def _is_one_of(field: Any, values: list[Any]) -> Condition:  # noqa: ANN401
    integers = isinstance(declared_type(field), Integer)
    present = [value for value in values if value is not None and (not integers or _is_bigint(value))]
    kind = bind(field, None).type
    condition: Condition = field.in_(bindparam(None, present, type_=kind, expanding=True)) if present else false()
    return or_(condition, is_null(field)) if None in values else condition


def _is_bigint(value: object) -> bool:
    return not isinstance(value, int) or MIN_INTEGER <= value <= MAX_INTEGER


def _compare_huge_number(field: Any, operator: str, value: Any) -> Condition:  # noqa: ANN401
    """Compare with a number that is greater, or less, than all that an integer column can hold."""
    if operator in ("eq", "ne"):
        return false() if operator == "eq" else true()
    is_true = operator.startswith("lt") == (value > 0)
    return is_null(field, null=False) if is_true else false()


def _escape(text: str) -> str:
    for character in (ESCAPE, "%", "_"):
        text = text.replace(character, ESCAPE + character)
    return text
