"""Finds the modules of the service by their place, so that a new controller or model needs no registration."""

from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from types import ModuleType


def import_modules_below(package: str, path: Iterable[str]) -> list[ModuleType]:
    """Import every module below a package, at any depth, and return them in the order of their names.

    `path` is the `__path__` of the package. Folders need no `__init__.py`, which `pkgutil.walk_packages` requires.
    """
    names = set()
    for folder in map(Path, path):
        for file in folder.rglob("*.py"):
            parts = [part for part in file.relative_to(folder).with_suffix("").parts if part != "__init__"]
            if parts and all(part.isidentifier() for part in parts):
                names.add(".".join([package, *parts]))
    return [import_module(name) for name in sorted(names)]
