"""The OpenAPI document: names, errors and required bodies of every route are documented without a line at the route.

Generators of clients get a stable operation id and one named schema for each class.
The server URL depends on the request, because a proxy may serve the API below a prefix that no setting names.
"""

import re
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel
from quart import Quart, has_request_context, request
from quart_schema import HttpSecurityScheme, Info, QuartSchema, Server
from quart_schema.openapi import QUART_SCHEMA_OPERATION_ID_ATTRIBUTE, OpenAPIProvider
from quart_schema.validation import DataSource
from werkzeug.routing import BaseConverter, Rule

from chassis.http.authentication import security_schemes
from chassis.http.docs_page import register_docs_page
from chassis.http.openapi_components import Components
from chassis.http.openapi_descriptions import describe_operation, describe_response, leave_out_null, list_tags
from chassis.http.openapi_responses import PROBLEM, error_statuses, shared_responses
from chassis.http.path_parameters import describe_converter, document_path
from chassis.http.routing import is_maintenance_exempt, is_public, public
from chassis.http.schemas.page import CursorPageSchema
from chassis.http.schemas.problem import ProblemSchema
from chassis.http.schemas.query import MAX_VALUES, ONE_OF

JSONObject = dict[str, Any]
Model = Any  # anything that quart-schema accepts: a pydantic model, a dataclass, …
NEXT_PAGE = {"description": "The next page, if there is one, as `rel=next`.", "schema": {"type": "string"}}


def register_openapi(
    app: Quart, *, info: Info, prefix: str, served: bool, unavailable: Sequence[type[BaseModel]] = ()
) -> None:
    """Validate requests and build the document; `served` puts it at /openapi.json and a page to read it at /docs.

    `unavailable` are the shapes that a 503 may have beside that of every error.
    """
    extension = QuartSchema(
        app,
        openapi_path="/openapi.json" if served else None,
        swagger_ui_path=None,  # quart-schema's own pages load their scripts from a CDN
        redoc_ui_path=None,
        scalar_ui_path=None,
        info=info,
        servers=[Server(url=prefix or "/")],
        security=[],  # an operation that needs a token says so itself
        security_schemes={"maintenance": HttpSecurityScheme(scheme="bearer")},
        conversion_preference="pydantic",
        openapi_provider_class=ServiceOpenAPIProvider,
    )
    provider: Any = extension.openapi_provider
    provider.unavailable = unavailable
    if served:
        public(QuartSchema.openapi)
        register_docs_page(app, info.title)


class ServiceOpenAPIProvider(OpenAPIProvider):
    """A view that documents no response answers with 204."""

    def __init__(self, app: Quart, extension: QuartSchema) -> None:
        super().__init__(app, extension)
        self.app = app
        self.unavailable: Sequence[type[BaseModel]] = ()
        self._components = Components()
        self._operation_ids: set[str] = set()

    def schema(self) -> JSONObject:
        """Return the document.

        Raises:
            ConfigurationError: two different schemas have the same name.
        """
        self._components = Components()
        self._operation_ids = set()
        document = super().schema()
        document["components"]["securitySchemes"] |= {
            name: scheme.schema(camelize=True) for name, scheme in security_schemes(self.app).items()
        }
        document["components"]["responses"] = shared_responses(self._components, self.unavailable)
        document, schemas = self._components.resolve(document)
        document["components"]["schemas"] = schemas
        document["info"] = {name: leave_out_null(value) for name, value in document["info"].items()}
        document["tags"] = list_tags(document)
        if has_request_context():  # on the command line the server is the one that the settings name
            document["servers"] = [{"url": request.root_path or "/"}]
        return document

    def generate_rules(self) -> Iterable[Rule]:
        return sorted(super().generate_rules(), key=document_path)

    def build_paths(self, rule: Rule) -> tuple[JSONObject, JSONObject]:
        paths, _ = super().build_paths(rule)
        exempt = is_maintenance_exempt(self.app, rule.endpoint)
        schemes = {} if is_public(self.app, rule.endpoint) else security_schemes(self.app)
        (operations,) = paths.values()
        for method, operation in operations.items():
            operation["operationId"] = self._operation_id(rule, method if len(operations) > 1 else "")
            if schemes:
                operation.setdefault("security", [{name: []} for name in schemes])
            describe_operation(operation)
            problems = {int(status): PROBLEM for status in error_statuses(method, operation, exempt=exempt)}
            responses = operation["responses"] or {int(HTTPStatus.NO_CONTENT): {"description": "Done."}}
            operation["responses"] = {
                status: describe_response(status, response) for status, response in (problems | responses).items()
            }
        return {document_path(rule): operations}, {}

    def build_path_parameter(self, name: str, converter: BaseConverter) -> JSONObject:
        return {**super().build_path_parameter(name, converter), "schema": describe_converter(converter)}

    def build_querystring_parameters(self, model: Model) -> tuple[list[JSONObject], JSONObject]:
        parameters, definitions = super().build_querystring_parameters(model)
        for parameter in parameters:
            if parameter["name"].endswith(ONE_OF):
                parameter |= {"style": "form", "explode": False}  # values with commas between them
                parameter["schema"]["maxItems"] = MAX_VALUES
            if parameter["name"] in _required_fields(model):
                parameter["required"] = True
            parameter["schema"].pop("title", None)
            parameter["schema"] = self._components.add(parameter["schema"], definitions, "input")
        return parameters, {}

    def build_request_body(self, model: Model, source: DataSource) -> tuple[JSONObject, JSONObject]:
        body, definitions = super().build_request_body(model, source)
        (content,) = body["content"].values()
        content["schema"] = self._components.add(content["schema"], definitions, "input")
        return {**body, "required": True}, {}

    def build_response_object(self, model: Model, headers_model: Model) -> tuple[JSONObject, JSONObject]:
        response, definitions = super().build_response_object(model, headers_model)
        if model is ProblemSchema:
            return PROBLEM, {}
        headers = response["content"].pop("headers", {})  # quart-schema puts them beside the media types
        if isinstance(model, type) and issubclass(model, CursorPageSchema):
            headers["Link"] = NEXT_PAGE
        (content,) = response["content"].values()
        content["schema"] = self._components.add(content["schema"], definitions, "output")
        return {**response, **({"headers": headers} if headers else {})}, {}

    def _operation_id(self, rule: Rule, method: str) -> str:
        """Return the name of the view, with that of its blueprint if it is a single word, such as `live`.

        If a path before has the same name, as `/v1/books` and `/v2/books` may, the later one gets its blueprint's.
        """
        name = rule.endpoint.replace(".", "_")
        *_, short = rule.endpoint.split(".")
        short = getattr(self.app.view_functions[rule.endpoint], QUART_SCHEMA_OPERATION_ID_ATTRIBUTE, short)
        words = re.sub(r"\W+", "_", document_path(rule)).strip("_")
        names = [short if "_" in short else name, name, f"{name}_{words}"]
        operation_ids = [f"{method}_{each}" if method else each for each in names]
        operation_id = next(each for each in operation_ids if each not in self._operation_ids)
        self._operation_ids.add(operation_id)
        return operation_id


def _required_fields(model: Model) -> set[str]:
    fields = getattr(model, "model_fields", {})
    return {field.alias or name for name, field in fields.items() if field.is_required()}
