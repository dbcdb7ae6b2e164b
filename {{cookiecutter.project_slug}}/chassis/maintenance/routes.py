"""`/v1/service-context`: a PATCH goes from here to `service`, `store` and `state`, and the gate follows."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from dependency_injector.wiring import Provide, inject
from pydantic import BaseModel, Field
from quart import Blueprint, ResponseReturnValue, request
from quart_schema import document_response, security_scheme, tag_blueprint, validate_request

from chassis.http.responses import create_response
from chassis.http.routing import maintenance_exempt, public
from chassis.http.schemas.body import BodySchema, Moment, Text, unset
from chassis.http.schemas.problem import ProblemSchema
from chassis.maintenance.access import MaintenanceAccess
from chassis.maintenance.service import ServiceContextService
from chassis.maintenance.service_context import MESSAGE_LENGTH, ServiceContext

blueprint = Blueprint("service_context", __name__, url_prefix="/v1")
tag_blueprint(blueprint, ["service context"])

InjectedService = Annotated[ServiceContextService, Provide["service_context_service"]]
InjectedAccess = Annotated[MaintenanceAccess, Provide["maintenance_access"]]


class ServiceContextSchema(BaseModel):
    maintenance: bool
    message: str | None
    expected_end: datetime | None
    since: datetime | None
    version: int
    stale: bool


class VersionHeaders(BaseModel):
    version: str = Field(alias="ETag", description="The version of the window.")


class ServiceContextUpdateSchema(BodySchema):
    """A field that is left out stays as it is; null clears it."""

    maintenance: bool = unset()
    # `service_context` checks the length, on the command line as well.
    message: Annotated[Text, Field(json_schema_extra={"maxLength": MESSAGE_LENGTH})] | None = unset()
    expected_end: Moment | None = unset()


@blueprint.before_request  # type: ignore[type-var]  # the parameter is injected
@inject
async def check_access(access: InjectedAccess) -> None:
    """Check the token before the body is read; its scheme is case-insensitive: RFC 9110, section 11.1."""
    if request.method == "PATCH":
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        access.check(token if scheme.lower() == "bearer" else None, request.remote_addr)


@blueprint.get("/service-context")
@public
@maintenance_exempt
@document_response(ServiceContextSchema, headers_model_class=VersionHeaders)
@inject
async def retrieve_service_context(service: InjectedService) -> ResponseReturnValue:
    return _respond(await service.get())


@blueprint.patch("/service-context")
@public  # it has a token of its own
@maintenance_exempt
@security_scheme([{"maintenance": []}])
@validate_request(ServiceContextUpdateSchema)
@document_response(ServiceContextSchema, headers_model_class=VersionHeaders)
@document_response(ProblemSchema, HTTPStatus.TOO_MANY_REQUESTS)
@document_response(ProblemSchema, HTTPStatus.SERVICE_UNAVAILABLE)
@inject
async def update_service_context(data: ServiceContextUpdateSchema, service: InjectedService) -> ResponseReturnValue:
    return _respond(await service.change(data.sent_values(), by=f"http {request.remote_addr}"))


def _respond(context: ServiceContext) -> ResponseReturnValue:
    return create_response(context, ServiceContextSchema, headers={"ETag": f'"{context.version}"'})
