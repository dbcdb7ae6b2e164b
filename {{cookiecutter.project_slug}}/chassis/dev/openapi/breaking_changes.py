"""A change breaks clients if a request that was right is refused, or an answer has not what it had."""

from collections.abc import Iterator
from typing import Any

from chassis.dev.openapi.schema_changes import Side, find_losses, find_reference

JSONObject = dict[str, Any]


def find_breaking_changes(old: JSONObject, new: JSONObject) -> list[str]:
    """Return a sentence for each change of an OpenAPI document that breaks clients of the old one."""
    return list(_find(old, new))


def _find(old: JSONObject, new: JSONObject) -> Iterator[str]:
    for path, methods in old["paths"].items():
        for method, before in methods.items():
            name = f"{method.upper()} {path}"
            after = new["paths"].get(path, {}).get(method)
            if after is None:
                yield f"{name} is gone"
                continue
            if before["operationId"] != after["operationId"]:
                yield f"{name} is called {after['operationId']} instead of {before['operationId']}"
            if after.get("security") and not before.get("security"):
                yield f"{name} needs credentials"
            yield from _find_in_parameters(Side(before, old), Side(after, new), name)
            yield from _find_in_body(Side(before, old), Side(after, new), name)
            yield from _find_in_responses(Side(before, old), Side(after, new), name)


def _find_in_parameters(old: Side, new: Side, name: str) -> Iterator[str]:
    before, after = (
        {(each["in"], each["name"]): each for each in side.schema.get("parameters", [])} for side in (old, new)
    )
    for key, parameter in after.items():
        where = f"{name} {key[0]} parameter {key[1]}"
        if parameter.get("required") and not before.get(key, {}).get("required"):
            yield f"{where}: is required"
    for key, parameter in before.items():
        where = f"{name} {key[0]} parameter {key[1]}"
        if key not in after:
            yield f"{where}: is gone"
        else:
            yield from find_losses(old.at(parameter["schema"]), new.at(after[key]["schema"]), where)


def _find_in_body(old: Side, new: Side, name: str) -> Iterator[str]:
    before, after = (side.schema.get("requestBody", {}) for side in (old, new))
    if after.get("required") and not before.get("required"):
        yield f"{name} a body is required"
    for media, content in before.get("content", {}).items():
        if media not in after.get("content", {}):
            yield f"{name} does not take {media}"
        else:
            yield from find_losses(old.at(content["schema"]), new.at(after["content"][media]["schema"]), f"{name} body")


def _find_in_responses(old: Side, new: Side, name: str) -> Iterator[str]:
    before, after = (side.schema["responses"] for side in (old, new))
    for status, response in before.items():
        where = f"{name} {status}"
        if status not in after:
            if status.startswith("2"):
                yield f"{where}: is gone"
            continue
        answers, successor = _content(old, response), _content(new, after[status])
        for media, content in answers.items():
            if media not in successor:
                yield f"{where}: is not sent as {media}"
                continue
            was, is_now = old.at(content["schema"]), new.at(successor[media]["schema"])
            yield from find_losses(is_now, was, where)
            yield from _find_lost_members(was, is_now, where)


def _content(side: Side, response: JSONObject) -> JSONObject:
    if "$ref" in response:
        response = find_reference(side.document, response["$ref"])
    content: JSONObject = response.get("content", {})
    return content


def _find_lost_members(old: Side, new: Side, where: str, depth: int = 8) -> Iterator[str]:
    """Yield members that were optional and are gone: `find_losses` knows only that they may be missing."""
    before, after = old.resolve().schema, new.resolve().schema
    for name, schema in before.get("properties", {}).items():
        successor = after.get("properties", {}).get(name)
        if successor is None:
            if name not in before.get("required", []):
                yield f"{where}.{name}: is gone"
        elif depth:
            yield from _find_lost_members(old.at(schema), new.at(successor), f"{where}.{name}", depth - 1)
    if depth and "items" in before and "items" in after:
        yield from _find_lost_members(old.at(before["items"]), new.at(after["items"]), f"{where}[]", depth - 1)
