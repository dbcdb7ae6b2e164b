from http import HTTPStatus
from typing import Annotated

from dependency_injector.wiring import Provide, inject
from quart import Blueprint, ResponseReturnValue, request
from quart_schema import document_response, security_scheme, tag_blueprint, validate_request

from src.api.maintenance_gate import maintenance_exempt
from src.api.requests import given
from src.api.responses import create_response
from src.api.schemas.problem import ProblemSchema
from src.api.schemas.service_context import ServiceContextSchema, ServiceContextUpdateSchema
from src.domain.service_context import ServiceContext
from src.services.maintenance_access import MaintenanceAccess
from src.services.service_context_service import ServiceContextService

blueprint = Blueprint("service_context", __name__, url_prefix="/v1")
tag_blueprint(blueprint, ["service context"])

Service = Annotated[ServiceContextService, Provide["service_context_service"]]
Access = Annotated[MaintenanceAccess, Provide["maintenance_access"]]


@blueprint.before_request  # type: ignore[type-var] # the parameter is injected
@inject
async def check_access(access: Access) -> None:
    if request.method == "PATCH":
        access.check(request.headers.get("Authorization", ""))


@blueprint.get("/service-context")
@maintenance_exempt
@document_response(ServiceContextSchema)
@inject
async def retrieve_service_context(service: Service) -> ResponseReturnValue:
    return _answer(await service.get())


@blueprint.patch("/service-context")
@maintenance_exempt
@security_scheme([{"maintenance": []}])
@validate_request(ServiceContextUpdateSchema)
@document_response(ServiceContextSchema)
@document_response(ProblemSchema, HTTPStatus.SERVICE_UNAVAILABLE)
@inject
async def update_service_context(data: ServiceContextUpdateSchema, service: Service) -> ResponseReturnValue:
    return _answer(await service.change(given(data), by=f"http {request.remote_addr}"))


def _answer(context: ServiceContext) -> ResponseReturnValue:
    return create_response(context, ServiceContextSchema, headers={"ETag": f'"{context.version}"'})
