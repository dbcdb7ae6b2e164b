"""An annotation may be text, because of `from __future__ import annotations` or quotes."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints


@dataclass(frozen=True)
class HeldType:
    """Describes what a field holds, according to its annotation: `Author`, `Author | None` or `list[Author]`."""

    entity_class: object
    is_list: bool

    @property
    def name(self) -> str:
        return getattr(self.entity_class, "__name__", str(self.entity_class))


def read_held_type(owner: type[Any], name: str) -> HeldType:
    """Read the annotation of a field of a dataclass.

    Raises:
        NameError: the module of the class lacks a name that the annotation uses.
    """
    (annotation,) = (field.type for field in fields(owner) if field.name == name)
    namespace = type(owner.__name__, (), {"__annotations__": {name: annotation}})
    found = _without_none(get_type_hints(namespace, dict(_names_known_to(owner)))[name])
    if get_origin(found) is list:
        return HeldType(get_args(found)[0], is_list=True)
    return HeldType(found, is_list=False)


def _without_none(annotation: Any) -> Any:  # noqa: ANN401
    others = [each for each in get_args(annotation) if each is not NoneType]
    return others[0] if len(others) == 1 and NoneType in get_args(annotation) else annotation


def _names_known_to(owner: type[Any]) -> Mapping[str, Any]:
    """Return the names in the modules of a class and of its bases, which may declare the field."""
    modules = [sys.modules.get(each.__module__) for each in reversed(owner.__mro__)]
    return {name: value for module in modules if module for name, value in vars(module).items()}
