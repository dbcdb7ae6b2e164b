"""Probes: liveness never asks the database, because a slow database would then restart every instance."""

from http import HTTPStatus
from typing import Annotated, Literal

from dependency_injector.wiring import Provide, inject
from pydantic import BaseModel
from quart import Blueprint, ResponseReturnValue
from quart_schema import document_response, tag_blueprint

from chassis.domain.exceptions import UnavailableError
from chassis.domain.ports import Instance, MaintenanceWindow, Readiness
from chassis.http.responses import create_response
from chassis.http.routing import maintenance_exempt, public
from chassis.http.schemas.problem import ProblemSchema

PATHS = ("/health/live", "/health/ready")
blueprint = Blueprint("health", __name__, url_prefix="/health")
tag_blueprint(blueprint, ["health"])


class HealthSchema(BaseModel):
    status: Literal["ok"]


class ReadinessSchema(HealthSchema):
    maintenance: bool


@blueprint.get("/live")
@public
@maintenance_exempt
@document_response(HealthSchema)
async def live() -> ResponseReturnValue:
    return create_response({"status": "ok"}, HealthSchema)


@blueprint.get("/ready")
@public
@maintenance_exempt
@document_response(ReadinessSchema)
@document_response(ProblemSchema, HTTPStatus.SERVICE_UNAVAILABLE)
@inject
async def ready(
    instance: Annotated[Instance, Provide["in_flight"]],
    readiness: Annotated[Readiness, Provide["readiness"]],
    maintenance_window: Annotated[MaintenanceWindow, Provide["maintenance_state"]],
) -> ResponseReturnValue:
    """The database is reachable and migrated; an instance is ready during maintenance, too."""
    if instance.stopping:
        msg = "The service is about to stop."
        raise UnavailableError(msg)
    await readiness.check()
    return create_response({"status": "ok", "maintenance": maintenance_window.active}, ReadinessSchema)
