"""Injections are checked at start-up, because a view would otherwise fail at each request."""

from collections.abc import Callable, Container, Iterator
from importlib import import_module
from inspect import isfunction, unwrap
from pkgutil import walk_packages
from types import ModuleType
from typing import Any

from dependency_injector.wiring import inject
from quart import Quart

from chassis.domain.exceptions import ConfigurationError

Function = Callable[..., Any]


def check_injections(app: Quart, packages: list[ModuleType], providers: Container[str]) -> None:
    """Check each view of the app and each function of the packages that asks for a provider.

    Raises:
        ConfigurationError: a provider does not exist, `@inject` is missing, or annotations are text.
    """
    for function in {*_view_functions(app), *_functions_below(packages)}:
        for name in _provider_names(function):
            place = f"{function.__module__}.{function.__qualname__}"
            if name not in providers:
                msg = f"{place} asks for {name!r}, which src/dependency_container.py does not provide."
                raise ConfigurationError(msg)
            if _has_text_annotations(function):
                msg = f"{place} cannot be injected: remove `from __future__ import annotations` from its module."
                raise ConfigurationError(msg)
            if not _is_injected(function):
                msg = f"{place} asks for {name!r} without `@inject`: put it right above `async def`."
                raise ConfigurationError(msg)


def _view_functions(app: Quart) -> Iterator[Function]:
    yield from app.view_functions.values()
    for hooks in (app.before_request_funcs, app.after_request_funcs, app.before_websocket_funcs):
        for functions in hooks.values():
            yield from functions


def _functions_below(packages: list[ModuleType]) -> Iterator[Function]:
    for package in packages:
        for found in walk_packages(package.__path__, f"{package.__name__}."):
            yield from filter(isfunction, vars(import_module(found.name)).values())


def _provider_names(function: Function) -> list[str]:
    original = unwrap(function)
    hints = [_resolve(annotation, original) for annotation in _annotations(original)]
    markers = [marker for hint in hints for marker in getattr(hint, "__metadata__", ())]
    return [marker.provider for marker in markers if isinstance(getattr(marker, "provider", None), str)]


def _annotations(function: Function) -> list[Any]:
    return list(getattr(function, "__annotations__", {}).values())


def _resolve(annotation: object, function: Function) -> object:
    """Evaluate an annotation that is text, as `get_type_hints` does, which fails if one of them cannot be resolved."""
    if not isinstance(annotation, str):
        return annotation
    try:
        return eval(annotation, function.__globals__)  # noqa: S307 - the service's own code
    except NameError:  # imported for type checkers only
        return None


def _has_text_annotations(function: Function) -> bool:
    return any(isinstance(annotation, str) for annotation in _annotations(unwrap(function)))


def _is_injected(function: Function) -> bool:
    """Look for the wrapper of `@inject`, at any depth below other decorators."""
    wrapper: Any = function
    while wrapper is not None:
        if getattr(wrapper, "__globals__", {}).get("__name__") == inject.__module__:
            return True
        wrapper = getattr(wrapper, "__wrapped__", None)
    return False
