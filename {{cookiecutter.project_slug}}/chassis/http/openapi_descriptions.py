"""Summaries and descriptions, which linters and readers of an OpenAPI document expect everywhere."""

from http import HTTPStatus
from typing import Any

from chassis.http.openapi_responses import PROBLEM, problem_response

JSONObject = dict[str, Any]


def describe_operation(operation: JSONObject) -> None:
    """Take the sentences from the docstring of the view, or else its name; neither is empty."""
    words = operation["operationId"].replace("_", " ").capitalize()
    operation["summary"] = operation.get("summary", words).removesuffix(".")
    operation["description"] = operation.get("description", "").strip() or f"{operation['summary']}."
    operation["tags"] = sorted(operation.get("tags", []))


def describe_response(status: int, response: JSONObject) -> JSONObject:
    if response == PROBLEM:
        return problem_response(HTTPStatus(status))
    if response.get("description") == "":
        return {**response, "description": HTTPStatus(status).phrase}
    return response


def leave_out_null(value: Any) -> Any:  # noqa: ANN401 - a text, or an object of quart-schema that it leaves as it is
    return value.schema(camelize=True) if hasattr(value, "schema") else value


def list_tags(document: JSONObject) -> list[JSONObject]:
    """Return the tags, each described by the operations that have it."""
    summaries: dict[str, list[str]] = {}
    for path in document["paths"].values():
        for operation in path.values():
            for tag in operation["tags"]:
                summaries.setdefault(tag, []).append(operation["summary"])
    return [{"name": tag, "description": "; ".join(summaries[tag])} for tag in sorted(summaries)]
