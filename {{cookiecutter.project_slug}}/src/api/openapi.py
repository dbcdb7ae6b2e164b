"""What the OpenAPI document says of every route, so that none has to: errors, ids, a body that must be there.

Where the API is depends on the request, as a proxy may serve it below a prefix that no setting names.
"""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from quart import has_request_context, request
from quart_schema.openapi import OpenAPIProvider
from quart_schema.validation import DataSource
from werkzeug.routing import BaseConverter, IntegerConverter, Rule

from src.api.responses import PROBLEM_TYPE
from src.api.schemas.problem import ProblemSchema

PROBLEM = {"$ref": "#/components/responses/Problem"}
MAX_ID = 2**63 - 1  # PostgreSQL has no larger integers


class OpenAPI(OpenAPIProvider):
    """A view that documents no answer answers with 204."""

    def schema(self) -> dict[str, Any]:
        document = super().schema()
        components = document["components"]
        components["schemas"]["ProblemSchema"] = ProblemSchema.model_json_schema()
        content = {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemSchema"}}}
        components["responses"] = {"Problem": {"description": "What went wrong.", "content": content}}
        if has_request_context():  # on the command line the server is the one that the settings name
            document["servers"] = [{"url": request.root_path or "/"}]
        return document

    def build_paths(self, rule: Rule) -> tuple[dict[str, Any], dict[str, Any]]:
        paths, components = super().build_paths(rule)
        exempt = getattr(self._app.view_functions[rule.endpoint], "maintenance_exempt", False)
        for operations in paths.values():
            for method, operation in operations.items():
                problems = {int(status): PROBLEM for status in _problems(method, operation, exempt=exempt)}
                answers = operation["responses"] or {int(HTTPStatus.NO_CONTENT): {"description": "Done."}}
                operation["responses"] = problems | answers
        return paths, components

    def build_path_parameter(self, name: str, converter: BaseConverter) -> dict[str, Any]:
        parameter = super().build_path_parameter(name, converter)
        if isinstance(converter, IntegerConverter):
            lowest = -MAX_ID if converter.signed else 0
            parameter["schema"]["minimum"] = lowest if converter.min is None else converter.min
            parameter["schema"]["maximum"] = MAX_ID if converter.max is None else converter.max
        return parameter

    def build_request_body(self, model: Any, source: DataSource) -> tuple[dict[str, Any], dict[str, Any]]:  # noqa: ANN401
        body, components = super().build_request_body(model, source)
        return {**body, "required": True}, components

    def build_response_object(self, model: Any, headers_model: Any) -> tuple[dict[str, Any], dict[str, Any]]:  # noqa: ANN401
        if model is ProblemSchema:
            return PROBLEM, {}
        return super().build_response_object(model, headers_model)


def _problems(method: str, operation: dict[str, Any], *, exempt: bool) -> Iterator[HTTPStatus]:
    """The errors that an operation may answer with, by what it consists of; others are documented at its view."""
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
