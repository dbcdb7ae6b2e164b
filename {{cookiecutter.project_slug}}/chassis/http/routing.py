"""Finds blueprints, and the routes that stay reachable during maintenance."""

from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any, TypeVar

from quart import Blueprint, Quart

from chassis.domain.exceptions import ConfigurationError

View = TypeVar("View", bound=Callable[..., Any])


def find_blueprints(modules: Iterable[ModuleType]) -> list[Blueprint]:
    """Return each `blueprint` of the modules once, even if several modules import it."""
    blueprints = (getattr(module, "blueprint", None) for module in modules)
    return list(dict.fromkeys(blueprint for blueprint in blueprints if isinstance(blueprint, Blueprint)))


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
