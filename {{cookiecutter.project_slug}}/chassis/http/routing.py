"""Finds blueprints, and marks views: public, reachable during maintenance, or with limits of their own."""

from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any, TypeVar

from quart import Blueprint, Quart

from chassis.domain.exceptions import ConfigurationError
from chassis.http.json_limits import MAX_DEPTH, MAX_VALUES, JSONLimits

MiB = 1024 * 1024  # bytes

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


def public(view: View) -> View:
    """Let everybody call this view, although the service authenticates its clients: `require_authentication`."""
    view.public = True  # type: ignore[attr-defined]
    return view


def is_public(app: Quart, endpoint: str) -> bool:
    return getattr(app.view_functions[endpoint], "public", False)


def max_content_length(size: int) -> Callable[[View], View]:
    """Set the largest body of a request to this view in bytes, or the largest message of a websocket.

    Other views have the limit of MAX_CONTENT_LENGTH. A proxy in front has one of its own.

        @blueprint.post("/photo")
        @max_content_length(50 * MiB)
        async def upload_photo() -> ResponseReturnValue:
            async for part in request.body: ...
    """

    def mark(view: View) -> View:
        view.max_content_length = size  # type: ignore[attr-defined]
        return view

    return mark


def max_json(*, depth: int = MAX_DEPTH, values: int = MAX_VALUES) -> Callable[[View], View]:
    """Set how deeply the JSON body of a request to this view may be nested, and how many values it may have.

    Parsing 10 000 values can take 10 milliseconds, in which the process does nothing else.

        @blueprint.put("/measurements")
        @max_json(values=50_000)
        async def replace_measurements() -> ResponseReturnValue: ...
    """
    limits = JSONLimits(depth=depth, values=values)

    def mark(view: View) -> View:
        view.json_limits = limits  # type: ignore[attr-defined]
        return view

    return mark


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
