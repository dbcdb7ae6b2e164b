"""Models that a repository returns are detached: all that they can have is loaded before, and nothing afterwards."""

from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import Column, inspect
from sqlalchemy.orm import ColumnProperty, Load, Mapper, RelationshipProperty, selectin_polymorphic
from sqlalchemy.orm.attributes import set_committed_value
from sqlalchemy.orm.collections import collection_adapter
from sqlalchemy.orm.interfaces import MANYTOONE, ONETOMANY
from sqlalchemy.sql.base import ExecutableOption

from chassis.domain.exceptions import ConfigurationError

LOADED_ON_ACCESS = (True, "select", "raise_on_sql")
NEVER_LOADED = (None, "noload", "raise", "write_only")


def loading_options(mapper: Mapper[Any]) -> Iterator[ExecutableOption]:
    """Yield options that load deferred columns and the columns of subclasses, and forbid what would load on access.

    Access to a relationship that was not loaded then raises `InvalidRequestError`, which names it: with an open
    session it would otherwise raise MissingGreenlet, and DetachedInstanceError without one.

    Raises:
        ConfigurationError: a relationship is dynamic, and a detached model would show it as empty.
    """
    if subclasses := _subclasses(mapper):
        yield selectin_polymorphic(mapper, subclasses)
    yield from _options_below(mapper, Load(mapper))


def loads_more_than_a_row(mapper: Mapper[Any]) -> bool:
    """Return whether a model consists of more than the columns of its table, so that RETURNING cannot give it."""
    return bool(_subclasses(mapper)) or not (
        all(is_stored(attribute) for attribute in mapper.column_attrs)
        and all(relationship.lazy in (*LOADED_ON_ACCESS, *NEVER_LOADED) for relationship in mapper.relationships)
    )


def set_back_references(models: Iterable[Any]) -> None:
    """Let the members of collections that were loaded refer to their owner, as they would with an open session."""
    for owner in models:
        state = inspect(owner)
        for relationship in state.mapper.relationships:
            reverse = relationship.back_populates
            if reverse and relationship.direction is ONETOMANY and relationship.key not in state.unloaded:
                for member in _members(owner, relationship):
                    if reverse in inspect(member).unloaded:
                        set_committed_value(member, reverse, owner)


def _members(owner: object, relationship: RelationshipProperty[Any]) -> Iterable[Any]:
    if relationship.lazy == "write_only":
        return ()
    value = getattr(owner, relationship.key)
    if relationship.uselist:
        return collection_adapter(value)  # the members of a list, a set or a dictionary
    return () if value is None else (value,)


def is_stored(attribute: ColumnProperty[Any]) -> bool:
    """Return whether the attribute is a column of the table and not an expression."""
    return isinstance(attribute.columns[0], Column)


def _subclasses(mapper: Mapper[Any]) -> list[type[Any]]:
    return [each.class_ for each in mapper.self_and_descendants if each is not mapper]


def _options_below(
    mapper: Mapper[Any], path: Load, above: tuple[Mapper[Any], ...] = (), reverse: str | None = None
) -> Iterator[ExecutableOption]:
    for column in mapper.column_attrs:
        if column.deferred and not column.raiseload:
            yield path.undefer(column.class_attribute)
    chain = (*above, mapper)
    for relationship in mapper.relationships:
        attribute, lazy = relationship.class_attribute, relationship.lazy
        if lazy == "dynamic":
            msg = f"{attribute} has lazy='dynamic', which asyncio cannot load: use lazy='write_only'."
            raise ConfigurationError(msg)
        if lazy in NEVER_LOADED or (relationship.key == reverse and relationship.direction is MANYTOONE):
            continue  # see `set_back_references`
        is_cycle = relationship.mapper in chain  # which SQLAlchemy loads only as far as `join_depth`
        if lazy in LOADED_ON_ACCESS or (is_cycle and not relationship.join_depth):
            yield path.raiseload(attribute)
        elif not is_cycle:
            below = path.defaultload(attribute)
            yield from _options_below(relationship.mapper, below, chain, relationship.back_populates)
