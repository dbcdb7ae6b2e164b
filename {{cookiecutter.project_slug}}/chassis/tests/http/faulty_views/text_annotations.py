"""Views whose annotations are text, which `@inject` does not read."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Annotated

from dependency_injector.wiring import Provide, inject
from quart import Blueprint

from chassis.domain.ports import Readiness

if TYPE_CHECKING:
    from chassis.domain.ports import MaintenanceWindow

resolvable = Blueprint("resolvable", __name__)
unresolvable = Blueprint("unresolvable", __name__)
misspelt = Blueprint("misspelt", __name__)

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", "@inject is not required here")

    @resolvable.get("/")
    @inject
    async def resolvable_view(readiness: Annotated[Readiness, Provide["readiness"]]) -> str:
        return str(readiness)

    @unresolvable.get("/")
    @inject
    async def unresolvable_view(window: Annotated[MaintenanceWindow, Provide["maintenance_state"]]) -> str:
        return str(window)

    @misspelt.get("/")
    @inject
    async def misspelt_view(window: Annotated[MaintenanceWindow, Provide["maintenance_stat"]]) -> str:
        return str(window)
