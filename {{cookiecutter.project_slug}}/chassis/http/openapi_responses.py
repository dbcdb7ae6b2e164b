"""The errors that operations have in common are documented once, with their headers."""

from collections.abc import Iterator, Sequence
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel

from chassis.http.openapi_components import PREFIX as SCHEMAS
from chassis.http.openapi_components import Components
from chassis.http.problems import PROBLEM_TYPE
from chassis.http.schemas.problem import ProblemSchema

JSONObject = dict[str, Any]
PREFIX = "#/components/responses/"
PROBLEM = {"$ref": f"{PREFIX}Problem"}
PROBLEM_OF_STATUS = {
    HTTPStatus.UNAUTHORIZED: {"$ref": f"{PREFIX}Unauthorized"},
    HTTPStatus.TOO_MANY_REQUESTS: {"$ref": f"{PREFIX}TooManyRequests"},
    HTTPStatus.SERVICE_UNAVAILABLE: {"$ref": f"{PREFIX}Unavailable"},
}
EXAMPLE = {
    "type": "about:blank",
    "title": "Not Found",
    "status": 404,
    "detail": "The requested resource was not found",
    "instance": "/v1/resource/7",
    "error_message": "The requested resource was not found",
}
RETRY_AFTER = {"description": "Seconds after which to try again.", "schema": {"type": "integer", "minimum": 0}}


def shared_responses(components: Components, unavailable: Sequence[type[BaseModel]]) -> JSONObject:
    """Return the responses by name; a 503 has the shape of one of the models in `unavailable`, or of a problem."""
    problem = {**_content(components, ProblemSchema), "example": EXAMPLE}
    unavailable_problem = _content(components, *unavailable, ProblemSchema)
    authenticate = {"description": "How to authenticate.", "schema": {"type": "string"}}
    mode = {"description": "`1` during a maintenance window.", "schema": {"type": "string", "const": "1"}}
    return {
        "Problem": _response("What went wrong.", problem),
        "Unauthorized": _response("The credentials are missing or wrong.", problem, {"WWW-Authenticate": authenticate}),
        "TooManyRequests": _response("There were too many attempts.", problem, {"Retry-After": RETRY_AFTER}),
        "Unavailable": _response(
            "A maintenance window is active, or the database cannot be reached.",
            unavailable_problem,
            {"Retry-After": RETRY_AFTER, "X-Maintenance-Mode": mode},
        ),
    }


def error_statuses(method: str, operation: JSONObject, *, exempt: bool) -> Iterator[HTTPStatus]:
    """Yield the errors that follow from the parts of an operation; a view documents its other errors itself."""
    yield HTTPStatus.BAD_REQUEST
    if operation.get("security"):
        yield from (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
    if any(parameter["in"] == "path" for parameter in operation["parameters"]):
        yield HTTPStatus.NOT_FOUND
    if method != "get":
        yield HTTPStatus.CONFLICT
    if "requestBody" in operation:
        yield from (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    if not exempt:
        yield HTTPStatus.SERVICE_UNAVAILABLE


def problem_response(status: HTTPStatus) -> JSONObject:
    return PROBLEM_OF_STATUS.get(status, PROBLEM)


def _content(components: Components, *models: type[BaseModel]) -> JSONObject:
    """Return a media type whose schema is the first of the models that fits."""
    schemas = [model.model_json_schema(ref_template=SCHEMAS + "{model}") for model in models]
    references = [components.add(schema, schema.pop("$defs", {}), "output") for schema in schemas]
    return {"schema": references[0] if len(references) == 1 else {"anyOf": references}}


def _response(description: str, content: JSONObject, headers: JSONObject | None = None) -> JSONObject:
    response: JSONObject = {"description": description, "content": {PROBLEM_TYPE: content}}
    return {**response, "headers": headers} if headers else response
