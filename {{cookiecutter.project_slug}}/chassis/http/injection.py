"""Injections are checked at start-up, because a view would otherwise fail at each request."""

import re
from collections.abc import Callable, Container, Iterable, Iterator
from inspect import Parameter, isclass, isfunction, signature, unwrap
from types import ModuleType
from typing import Annotated, Any

from dependency_injector.wiring import Provide, Provider, inject
from quart import Quart

from chassis.domain.exceptions import ConfigurationError

Function = Callable[..., Any]
MARKERS: Any = (Provide, Provider)  # classes, which the library declares as instances
_PROVIDE = re.compile(r"""\bProvide\[["']([^"']+)["']""")


def check_injections(app: Quart, modules: Iterable[ModuleType], providers: Container[str]) -> None:
    """Check each view of the app and each function of the modules that asks for a provider.

    Raises:
        ConfigurationError: a provider does not exist, `@inject` is missing, or annotations are text.
    """
    for function in {*_view_functions(app), *_functions_of(modules)}:
        place = f"{function.__module__}.{getattr(function, '__qualname__', function)}"
        for name, is_text in _find_providers(function):
            if name not in providers:
                msg = f"{place} asks for {name!r}, which src/dependency_container.py does not provide."
                raise ConfigurationError(msg)
            if is_text:
                msg = f"{place} cannot be injected: remove `from __future__ import annotations` from its module."
                raise ConfigurationError(msg)
            if not (_is_injected(function) or hasattr(function, "provider_name")):
                msg = f"{place} asks for {name!r} without `@inject`: put it right above `async def`."
                raise ConfigurationError(msg)


def _view_functions(app: Quart) -> Iterator[Function]:
    yield from app.view_functions.values()
    for hooks in (app.before_request_funcs, app.after_request_funcs, app.before_websocket_funcs):
        for functions in hooks.values():
            yield from functions


def _functions_of(modules: Iterable[ModuleType]) -> Iterator[Function]:
    """Yield the functions of all modules, and the methods of the classes that are defined there."""
    for module in modules:
        members = list(vars(module).values())
        classes = [member for member in members if isclass(member) and member.__module__ == module.__name__]
        methods = [method for each in classes for method in vars(each).values()]
        yield from filter(isfunction, members + methods)


def _find_providers(function: Function) -> Iterator[tuple[str, bool]]:
    """Yield the name of each provider, and whether it stands in an annotation that is text, which `@inject` ignores."""
    if name := getattr(function, "provider_name", None):  # see `register_crud`
        yield name, False
    for parameter in _parameters(function):
        is_text = isinstance(parameter.annotation, str)
        hint = _resolve(parameter.annotation, unwrap(function))
        metadata = [(marker, is_text) for marker in getattr(hint, "__metadata__", ())]
        for marker, in_text in [(parameter.default, False), *metadata]:
            if isinstance(marker, MARKERS) and isinstance(marker.provider, str):
                yield marker.provider, in_text


def _parameters(function: Function) -> list[Parameter]:
    try:
        return list(signature(function).parameters.values())
    except (NameError, ValueError):  # Python 3.14 evaluates annotations here; some callables have no signature
        return []


def _resolve(annotation: object, function: Function) -> object:
    """Evaluate an annotation that is text; if that is impossible, find the providers in the text.

    `get_type_hints` would fail if a single annotation of the function cannot be evaluated.
    """
    if not isinstance(annotation, str):
        return annotation
    try:
        return eval(annotation, getattr(function, "__globals__", {}))  # noqa: S307 - the service's own code
    except (AttributeError, NameError):  # imported for type checkers only
        return Annotated[Any, None, *(Provide[name] for name in _PROVIDE.findall(annotation))]


def _is_injected(function: Function) -> bool:
    """Look for the wrapper of `@inject`, at any depth below other decorators."""
    wrapper: Any = function
    while wrapper is not None:
        if getattr(wrapper, "__globals__", {}).get("__name__") == inject.__module__:
            return True
        wrapper = getattr(wrapper, "__wrapped__", None)
    return False
