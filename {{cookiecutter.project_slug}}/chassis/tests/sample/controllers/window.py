"""A view, a websocket, a function that runs before them and a helper: the maintenance window is injected into each."""

from typing import Annotated

from dependency_injector.wiring import Provide, inject
from quart import Blueprint, g, websocket

from chassis.domain.ports import MaintenanceWindow

blueprint = Blueprint("window", __name__)

InjectedWindow = Annotated[MaintenanceWindow, Provide["maintenance_state"]]


@blueprint.before_request  # type: ignore[type-var]  # the parameter is injected
@inject
async def remember_window(window: InjectedWindow) -> None:
    g.active_before = window.active


@blueprint.get("/window")
@inject
async def read_window(window: InjectedWindow) -> dict[str, bool]:
    return {"active": window.active, "active_before": g.active_before}


@blueprint.websocket("/window")
@inject
async def send_window(window: InjectedWindow) -> None:
    await websocket.send_json({"active": window.active})


@inject
async def is_active(window: InjectedWindow) -> bool:
    return window.active
