"""Finds the blueprint of every module below, so that a new controller needs no registration."""

from collections.abc import Iterator
from importlib import import_module
from pkgutil import iter_modules

from quart import Blueprint


def blueprints() -> Iterator[Blueprint]:
    """Each module here calls its blueprint `blueprint`."""
    for module in iter_modules(__path__):
        yield import_module(f"{__name__}.{module.name}").blueprint
