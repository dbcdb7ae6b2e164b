"""A fault in an injection stops the start, and the message names the function."""

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

import pytest
from dependency_injector.wiring import Provide, inject
from quart import Blueprint, Quart, ResponseReturnValue
from quart.typing import TestClientProtocol as Client
from quart.views import MethodView

from chassis.app import ChassisApp
from chassis.config import ChassisConfig
from chassis.domain.exceptions import ConfigurationError
from chassis.domain.ports import Readiness
from chassis.http.injection import check_injections
from chassis.tests.http.faulty_views import text_annotations
from chassis.tests.sample.controllers import echo, window
from chassis.tests.sample.create_app import create_app

PROVIDERS = {"readiness", "maintenance_state"}
InjectedReadiness = Annotated[Readiness, Provide["readiness"]]
Misspelt = Annotated[Readiness, Provide["readyness"]]
Register = Callable[[Blueprint], Callable[[Any], Any]]
REGISTRATIONS: dict[str, Register] = {
    "view": lambda blueprint: blueprint.get("/"),
    "websocket": lambda blueprint: blueprint.websocket("/"),
    "before_request": lambda blueprint: blueprint.before_request,
    "before_app_request": lambda blueprint: blueprint.before_app_request,
    "after_request": lambda blueprint: blueprint.after_request,
    "before_websocket": lambda blueprint: blueprint.before_websocket,
}

every_registration = pytest.mark.parametrize("register", REGISTRATIONS.values(), ids=REGISTRATIONS)


@pytest.fixture(name="blueprint")
def _blueprint() -> Blueprint:
    return Blueprint("faulty", __name__)


def _check(blueprint: Blueprint) -> None:
    app = Quart(__name__)
    app.register_blueprint(blueprint)
    check_injections(app, [], PROVIDERS)


@every_registration
def test_names_a_function_whose_provider_does_not_exist(blueprint: Blueprint, register: Register) -> None:
    @register(blueprint)
    @inject
    async def faulty(readiness: Misspelt) -> None: ...

    with pytest.raises(ConfigurationError, match=r"test_injection.*faulty asks for 'readyness', which src/dependency_"):
        _check(blueprint)


@every_registration
def test_names_a_function_without_inject(blueprint: Blueprint, register: Register) -> None:
    @register(blueprint)
    async def faulty(readiness: InjectedReadiness) -> None: ...

    with pytest.raises(ConfigurationError, match=r"test_injection.*faulty asks for 'readiness' without `@inject`: put"):
        _check(blueprint)


@every_registration
def test_accepts_an_injected_function(blueprint: Blueprint, register: Register) -> None:
    @register(blueprint)
    @inject
    async def injected(readiness: InjectedReadiness) -> "None": ...  # a single annotation may be text

    _check(blueprint)


@pytest.mark.parametrize("name", ["readyness", "readiness"])
def test_checks_a_provider_that_is_a_default(blueprint: Blueprint, name: str) -> None:
    @blueprint.get("/")
    async def faulty(readiness: Readiness = Provide[name]) -> str:
        return str(readiness)

    with pytest.raises(ConfigurationError, match=f"faulty asks for '{name}'"):
        _check(blueprint)


def test_names_a_view_that_is_a_partial(blueprint: Blueprint) -> None:
    async def faulty(readiness: InjectedReadiness, title: str) -> str:
        return title

    blueprint.add_url_rule("/", "faulty", partial(faulty, title="a"))

    with pytest.raises(ConfigurationError, match=r"faulty.* asks for 'readiness' without `@inject`"):
        _check(blueprint)


@pytest.mark.parametrize(
    ("blueprint", "view"),
    [
        (text_annotations.resolvable, "resolvable_view"),
        (text_annotations.unresolvable, "unresolvable_view"),  # its type is imported for type checkers only
    ],
)
def test_names_a_view_whose_annotations_are_text(blueprint: Blueprint, view: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"text_annotations\.{view} cannot be injected: remove `from __fut"):
        _check(blueprint)


def test_names_a_view_whose_provider_in_text_does_not_exist() -> None:
    with pytest.raises(ConfigurationError, match=r"text_annotations\.misspelt_view asks for 'maintenance_stat'"):
        _check(text_annotations.misspelt)


def test_names_a_helper_function_in_the_package_of_the_views(monkeypatch: pytest.MonkeyPatch) -> None:
    @inject
    async def helper(readiness: Misspelt) -> None: ...

    monkeypatch.setattr(echo, "helper", helper, raising=False)

    with pytest.raises(ConfigurationError, match="helper asks for 'readyness'"):
        check_injections(Quart(__name__), [echo], PROVIDERS)


def test_names_a_method_of_a_class_in_the_package_of_the_views(monkeypatch: pytest.MonkeyPatch) -> None:
    class View(MethodView):
        __module__ = echo.__name__

        async def get(self, readiness: InjectedReadiness) -> ResponseReturnValue:
            return str(readiness)

    monkeypatch.setattr(echo, "View", View, raising=False)

    with pytest.raises(ConfigurationError, match=r"View\.get asks for 'readiness' without `@inject`"):
        check_injections(Quart(__name__), [echo], PROVIDERS)


def test_stops_the_start_of_an_application(
    app: ChassisApp, config: ChassisConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    @inject
    async def helper(readiness: Misspelt) -> None: ...

    monkeypatch.setattr(echo, "helper", helper, raising=False)

    with pytest.raises(ConfigurationError, match="helper asks for 'readyness'"):
        create_app(config)


async def test_injects_into_views_websockets_hooks_and_helpers(client: Client) -> None:
    response = await client.get("/window")
    async with client.websocket("/window") as socket:
        received = await socket.receive_json()

    assert await response.get_json() == {"active": False, "active_before": False}
    assert received == {"active": False}
    assert await window.is_active() is False  # type: ignore[call-arg]  # the argument is injected
