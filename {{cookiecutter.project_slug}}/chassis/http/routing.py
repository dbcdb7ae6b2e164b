"""Finds the blueprints below a package, and the routes that stay reachable during maintenance."""

from collections.abc import Callable, Iterator
from importlib import import_module
from pkgutil import walk_packages
from types import ModuleType
from typing import Any, TypeVar

from quart import Blueprint, Quart

from chassis.domain.exceptions import ConfigurationError

View = TypeVar("View", bound=Callable[..., Any])


def find_blueprints(package: ModuleType) -> Iterator[Blueprint]:
    """Import every module below the package, at any depth, and yield each `blueprint` that one defines."""
    for found in walk_packages(package.__path__, f"{package.__name__}."):
        blueprint = getattr(import_module(found.name), "blueprint", None)
        if isinstance(blueprint, Blueprint):
            yield blueprint


def maintenance_exempt(view: View) -> View:
    """Keep the route of this view reachable during a maintenance window; it must not have parameters."""
    view.maintenance_exempt = True  # type: ignore[attr-defined]
    return view


def is_maintenance_exempt(app: Quart, endpoint: str) -> bool:
    return getattr(app.view_functions[endpoint], "maintenance_exempt", False)


def find_exempt_paths(app: Quart) -> list[str]:
    """Return the exact paths of exempt views, without the service prefix.

    Raises:
        ConfigurationError: a route with parameters is exempt.
    """
    rules = [rule for rule in app.url_map.iter_rules() if is_maintenance_exempt(app, rule.endpoint)]
    for rule in rules:
        if rule.arguments:
            msg = f"{rule.rule} has parameters: only an exact path can be exempt from the maintenance window."
            raise ConfigurationError(msg)
    return [rule.rule for rule in rules]
