"""The OpenAPI document: errors, ids and required bodies of every route are documented without a line at the route.

The server URL depends on the request, because a proxy may serve the API below a prefix that no setting names.
"""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from quart import Quart, has_request_context, request
from quart_schema import HttpSecurityScheme, Info, QuartSchema, Server
from quart_schema.openapi import OpenAPIProvider
from quart_schema.validation import DataSource
from werkzeug.routing import BaseConverter, Rule

from chassis.http.docs_page import register_docs_page
from chassis.http.path_parameters import describe_converter, document_path
from chassis.http.problems import PROBLEM_TYPE
from chassis.http.routing import is_maintenance_exempt
from chassis.http.schemas.problem import ProblemSchema
from chassis.http.schemas.query import MAX_VALUES, ONE_OF

JSONObject = dict[str, Any]
Model = Any  # anything that quart-schema accepts: a pydantic model, a dataclass, …
PROBLEM = {"$ref": "#/components/responses/Problem"}


def register_openapi(app: Quart, *, info: Info, prefix: str, served: bool) -> None:
    """Validate requests and build the document; `served` puts it at /openapi.json and a page to read it at /docs."""
    QuartSchema(
        app,
        openapi_path="/openapi.json" if served else None,
        swagger_ui_path=None,  # quart-schema's own pages load their scripts from a CDN
        redoc_ui_path=None,
        scalar_ui_path=None,
        info=info,
        servers=[Server(url=prefix or "/")],
        security_schemes={"maintenance": HttpSecurityScheme(scheme="bearer")},
        conversion_preference="pydantic",
        openapi_provider_class=ServiceOpenAPIProvider,
    )
    if served:
        register_docs_page(app, info.title)


class ServiceOpenAPIProvider(OpenAPIProvider):
    """A view that documents no response answers with 204."""

    def __init__(self, app: Quart, extension: QuartSchema) -> None:
        super().__init__(app, extension)
        self.app = app

    def schema(self) -> JSONObject:
        document = super().schema()
        components = document["components"]
        components["schemas"]["ProblemSchema"] = ProblemSchema.model_json_schema()
        content = {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemSchema"}}}
        components["responses"] = {"Problem": {"description": "What went wrong.", "content": content}}
        if has_request_context():  # on the command line the server is the one that the settings name
            document["servers"] = [{"url": request.root_path or "/"}]
        return document

    def build_paths(self, rule: Rule) -> tuple[JSONObject, JSONObject]:
        paths, components = super().build_paths(rule)
        paths = {document_path(rule): operations for operations in paths.values()}
        exempt = is_maintenance_exempt(self.app, rule.endpoint)
        for operations in paths.values():
            for method, operation in operations.items():
                problems = {int(status): PROBLEM for status in _error_statuses(method, operation, exempt=exempt)}
                responses = operation["responses"] or {int(HTTPStatus.NO_CONTENT): {"description": "Done."}}
                operation["responses"] = problems | responses
        return paths, components

    def build_path_parameter(self, name: str, converter: BaseConverter) -> JSONObject:
        return {**super().build_path_parameter(name, converter), "schema": describe_converter(converter)}

    def build_querystring_parameters(self, model: Model) -> tuple[list[JSONObject], JSONObject]:
        parameters, components = super().build_querystring_parameters(model)
        for parameter in parameters:
            if parameter["name"].endswith(ONE_OF):
                parameter |= {"style": "form", "explode": False}  # values with commas between them
                parameter["schema"]["maxItems"] = MAX_VALUES
            if parameter["name"] in _required_fields(model):
                parameter["required"] = True
        return parameters, components

    def build_request_body(self, model: Model, source: DataSource) -> tuple[JSONObject, JSONObject]:
        body, components = super().build_request_body(model, source)
        return {**body, "required": True}, components

    def build_response_object(self, model: Model, headers_model: Model) -> tuple[JSONObject, JSONObject]:
        if model is ProblemSchema:
            return PROBLEM, {}
        return super().build_response_object(model, headers_model)


def _required_fields(model: Model) -> set[str]:
    fields = getattr(model, "model_fields", {})
    return {field.alias or name for name, field in fields.items() if field.is_required()}


def _error_statuses(method: str, operation: JSONObject, *, exempt: bool) -> Iterator[HTTPStatus]:
    """Yield the errors that follow from the parts of an operation; a view documents its other errors itself."""
    yield HTTPStatus.BAD_REQUEST
    if "security" in operation:
        yield from (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
    if any(parameter["in"] == "path" for parameter in operation["parameters"]):
        yield HTTPStatus.NOT_FOUND
    if method != "get":
        yield HTTPStatus.CONFLICT
    if "requestBody" in operation:
        yield from (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    if not exempt:
        yield HTTPStatus.SERVICE_UNAVAILABLE
