"""An entity may hold other entities: they are loaded with it, in a number of statements that no data changes."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from inspect import signature
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import (
    InstrumentedAttribute,
    Mapper,
    RelationshipProperty,
    joinedload,
    load_only,
    raiseload,
    selectinload,
    undefer,
)
from sqlalchemy.orm.collections import collection_adapter
from sqlalchemy.orm.strategy_options import _AbstractLoad

from chassis.domain.exceptions import ConfigurationError
from chassis.persistence.annotations import HeldType, read_held_type
from chassis.persistence.loading import NEVER_LOADED

Built = dict[tuple[int, int], Any]


@dataclass(frozen=True)
class HeldEntity:
    relationship: RelationshipProperty[Any]
    fields: "EntityFields"

    def option(self) -> _AbstractLoad:
        """Return an option that joins a single row, and loads the rows of all lists by one more statement."""
        load = selectinload if self.relationship.uselist else joinedload
        return load(self.relationship.class_attribute).options(*self.fields.options())

    def build(self, owner: object, built: Built) -> Any:  # noqa: ANN401 - an entity, a list of them or None
        value = getattr(owner, self.relationship.key)
        if self.relationship.uselist:
            return [self.fields.build(member, built) for member in self._sort(collection_adapter(value))]
        return None if value is None else self.fields.build(value, built)

    def _sort(self, members: Iterable[Any]) -> Iterable[Any]:
        if self.relationship.order_by:
            return members
        return sorted(members, key=self.fields.mapper.primary_key_from_instance)


class EntityFields:
    """The fields of an entity class, compared with the attributes of its model.

    Raises:
        ConfigurationError: a field does not fit; the message names it.
    """

    def __init__(
        self, repository: str, mapper: Mapper[Any], entity_class: type[Any], above: tuple[type[Any], ...] = ()
    ) -> None:
        self.mapper = mapper
        self._repository = repository
        self._class = entity_class
        self._model = mapper.class_.__name__
        self._chain = (*above, entity_class)
        self.names = self._find_names()
        self.held = {name: self._hold(name) for name in self.names if name in mapper.relationships}
        self.plain = {name: self._attribute(name) for name in self.names if name not in self.held}

    def selection(self) -> list[Any]:
        """Return the attributes to select for a class that holds no entities."""
        # Without a label, `filter_by` takes a synonym and a hybrid for another table with the same columns.
        return [
            attribute if isinstance(attribute, InstrumentedAttribute) else attribute.label(name)
            for name, attribute in self.plain.items()
        ]

    def options(self) -> Iterator[_AbstractLoad]:
        """Yield options that load what the fields need, and make access to anything else an error."""
        needed = [self._needed_attributes(name) for name in self.plain]
        if needed and all(needed):
            yield load_only(*dict.fromkeys(attribute for attributes in needed for attribute in attributes))
        else:  # a hybrid may read any column
            yield from (undefer(each.class_attribute) for each in self.mapper.column_attrs if each.deferred)
        for relationship in self.mapper.relationships:
            if relationship.key in self.held:
                yield self.held[relationship.key].option()
            elif relationship.lazy not in (*NEVER_LOADED, "dynamic"):
                yield raiseload(relationship.class_attribute)

    def build_all(self, models: Iterable[object]) -> list[Any]:
        built: Built = {}
        return [self.build(model, built) for model in models]

    def build(self, model: object, built: Built) -> Any:  # noqa: ANN401 - an entity
        """Return the entity of a model; one model becomes one entity, however often it is held."""
        key = (id(self), id(model))
        if key not in built:
            values = {name: getattr(model, name) for name in self.plain}
            values |= {name: held.build(model, built) for name, held in self.held.items()}
            built[key] = self._class(**values)
        return built[key]

    def _find_names(self) -> list[str]:
        name = self._class.__name__
        if not is_dataclass(self._class):
            msg = f"The `entity_class` of {self._repository} must be a dataclass, and {name} is not one."
            raise ConfigurationError(msg)
        names = [field.name for field in fields(self._class) if field.init]
        try:
            signature(self._class).bind(**dict.fromkeys(names))
        except TypeError as error:
            msg = f"{self._repository} cannot create {name} from its fields: {error}."
            raise ConfigurationError(msg) from error
        return names

    def _attribute(self, name: str) -> Any:  # noqa: ANN401
        if name not in self.mapper.all_orm_descriptors:
            raise self._mistake(
                name, f"{self._model} has no column {name}. Correct the name, or give the field `init=False`."
            )
        attribute = getattr(self.mapper.class_, name)
        try:
            select(attribute)
        except (SQLAlchemyError, NotImplementedError) as error:
            raise self._mistake(name, f"{self._model}.{name} is not an SQL expression.") from error
        return attribute

    def _hold(self, name: str) -> HeldEntity:
        relationship = self.mapper.relationships[name]
        try:
            held = read_held_type(self._class, name)
        except (NameError, TypeError) as error:
            raise self._mistake(
                name, f"its annotation cannot be read ({error}). Import the class, not only for type checkers."
            ) from error
        self._compare(name, relationship, held)
        entity_class: Any = held.entity_class
        if entity_class in self._chain:
            chain = " → ".join(each.__name__ for each in (*self._chain, entity_class))
            raise self._mistake(name, f"the entities hold each other without end, {chain}. Remove one of these fields.")
        return HeldEntity(relationship, EntityFields(self._repository, relationship.mapper, entity_class, self._chain))

    def _compare(self, name: str, relationship: RelationshipProperty[Any], held: HeldType) -> None:
        attribute = f"{self._model}.{name}"
        if not is_dataclass(held.entity_class):
            raise self._mistake(
                name,
                f"{attribute} is a relationship, so the field must be a dataclass or a list of one, "
                f"and {held.name} is not one.",
            )
        if held.is_list != bool(relationship.uselist):
            right = f"`list[{held.name}]`" if relationship.uselist else f"`{held.name}` or `{held.name} | None`"
            kind = "many rows" if relationship.uselist else "one row"
            raise self._mistake(name, f"the relationship {attribute} has {kind}, so the field must be {right}.")
        if relationship.lazy in ("dynamic", "write_only"):
            raise self._mistake(name, f"{attribute} has lazy={relationship.lazy!r}, which cannot be loaded: remove it.")

    def _mistake(self, name: str, reason: str) -> ConfigurationError:
        return ConfigurationError(f"{self._repository} cannot fill {self._class.__name__}.{name}: {reason}")

    def _needed_attributes(self, name: str) -> list[Any]:
        """Return the attributes that hold a field; none if it is a hybrid, which may read any of them."""
        synonym = self.mapper.synonyms.get(name)
        name = synonym.name if synonym else name
        composite = self.mapper.composites.get(name)
        if composite is not None:
            return [each.class_attribute for each in composite.props]
        attribute = self.mapper.column_attrs.get(name)
        return [] if attribute is None else [attribute.class_attribute]
