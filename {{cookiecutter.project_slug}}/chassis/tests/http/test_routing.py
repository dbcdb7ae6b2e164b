import pytest
from quart import Quart
from quart.typing import TestClientProtocol as Client

from chassis.discovery import import_modules_below
from chassis.domain.exceptions import ConfigurationError
from chassis.http.routing import find_blueprints, find_exempt_paths, maintenance_exempt
from chassis.tests.sample import controllers
from chassis.tests.sample.controllers import echo


def test_finds_the_blueprints_of_a_package_at_any_depth() -> None:
    """One of the folders below `controllers` has no `__init__.py`."""
    modules = import_modules_below(controllers.__name__, controllers.__path__)

    names = [blueprint.import_name.removeprefix(controllers.__name__) for blueprint in find_blueprints(modules)]

    assert names == [".catalog.books", ".catalog.items", ".echo", ".window"]


def test_finds_a_blueprint_once_that_another_module_imports() -> None:
    assert len(find_blueprints([echo, echo])) == 1


async def test_serves_a_controller_in_a_package(client: Client) -> None:
    response = await client.patch("/catalog/items/7", json={"price": 5})

    assert (response.status_code, await response.get_json()) == (200, {"id": 7, "price": 5})


def test_refuses_to_exempt_a_route_with_parameters() -> None:
    app = Quart(__name__)

    @app.get("/items/<int:item_id>")
    @maintenance_exempt
    async def item(item_id: int) -> str:
        return str(item_id)

    with pytest.raises(ConfigurationError, match="/items/<int:item_id> has parameters: only an exact path can be"):
        find_exempt_paths(app)
