from http import HTTPStatus
from typing import Annotated, Literal

from dependency_injector.wiring import Provide, inject
from pydantic import BaseModel
from quart import Blueprint, ResponseReturnValue
from quart_schema import document_response, tag_blueprint

from src.api.maintenance_gate import maintenance_exempt
from src.api.responses import create_response
from src.api.schemas.problem import ProblemSchema
from src.domain.maintenance_state import MaintenanceState
from src.domain.ports import Readiness

blueprint = Blueprint("health", __name__, url_prefix="/health")
tag_blueprint(blueprint, ["health"])


class HealthSchema(BaseModel):
    status: Literal["ok"]


class ReadinessSchema(HealthSchema):
    maintenance: bool


@blueprint.get("/live")
@maintenance_exempt
@document_response(HealthSchema)
async def live() -> ResponseReturnValue:
    """The process answers; it asks nobody else, or a slow database would restart every instance."""
    return create_response({"status": "ok"}, HealthSchema)


@blueprint.get("/ready")
@maintenance_exempt
@document_response(ReadinessSchema)
@document_response(ProblemSchema, HTTPStatus.SERVICE_UNAVAILABLE)
@inject
async def ready(
    readiness: Annotated[Readiness, Provide["readiness"]],
    state: Annotated[MaintenanceState, Provide["maintenance_state"]],
) -> ResponseReturnValue:
    """The database is reachable and migrated; also during maintenance, or a migration would restart its service."""
    await readiness.check()
    return create_response({"status": "ok", "maintenance": state.closed}, ReadinessSchema)
