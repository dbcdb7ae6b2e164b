from http import HTTPStatus
from typing import Annotated, Literal

from dependency_injector.wiring import Provide, inject
from pydantic import BaseModel
from quart import Blueprint, ResponseReturnValue
from quart_schema import document_response, tag_blueprint

from src.api.responses import create_response
from src.api.schemas.problem import ProblemSchema
from src.domain.ports import Readiness

blueprint = Blueprint("health", __name__, url_prefix="/health")
tag_blueprint(blueprint, ["health"])


class HealthSchema(BaseModel):
    status: Literal["ok"]


@blueprint.get("/live")
@document_response(HealthSchema)
async def live() -> ResponseReturnValue:
    """The process answers; it asks nobody else, or a slow database would restart every instance."""
    return create_response({"status": "ok"}, HealthSchema)


@blueprint.get("/ready")
@document_response(HealthSchema)
@document_response(ProblemSchema, HTTPStatus.SERVICE_UNAVAILABLE)
@inject
async def ready(readiness: Annotated[Readiness, Provide["readiness"]]) -> ResponseReturnValue:
    """Requests can be served: the database is reachable and migrated."""
    await readiness.check()
    return create_response({"status": "ok"}, HealthSchema)
