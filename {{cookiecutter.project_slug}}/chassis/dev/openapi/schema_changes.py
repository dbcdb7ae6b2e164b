"""Compares two JSON schemas: which values that one side sends does the other side no longer take?"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

JSONObject = dict[str, Any]
UPPER_BOUNDS = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
LOWER_BOUNDS = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
RULES = ("pattern", "format", "multipleOf", "uniqueItems", "contentMediaType")


@dataclass(frozen=True)
class Side:
    """A schema and the document that its references point into."""

    schema: Any
    document: JSONObject

    def at(self, schema: object) -> "Side":
        return Side(schema, self.document)

    def resolve(self) -> "Side":
        schema = self.schema
        while isinstance(schema, dict) and "$ref" in schema:
            schema = find_reference(self.document, schema["$ref"])
        return self.at(schema if isinstance(schema, dict) else {})

    def alternatives(self) -> list["Side"]:
        """Return the schemas of which a value has to fit one."""
        schema = self.resolve().schema
        several = schema.get("anyOf") or schema.get("oneOf")
        if several:
            return list(chain.from_iterable(self.at(each).alternatives() for each in several))
        kinds = schema.get("type")
        return [self.at({**schema, "type": kind}) for kind in kinds] if isinstance(kinds, list) else [self.at(schema)]


def find_reference(document: JSONObject, reference: str) -> Any:  # noqa: ANN401 - any part of a document
    node: Any = document
    for name in reference.removeprefix("#/").split("/"):
        node = node[name.replace("~1", "/").replace("~0", "~")]
    return node


def find_losses(sent: Side, taken: Side, where: str, seen: frozenset[tuple[str, str]] = frozenset()) -> Iterator[str]:
    """Yield a sentence for each place where a value may fit `sent` and not `taken`; `where` names the place."""
    pair = (str(sent.schema), str(taken.schema))
    if pair in seen or sent == taken:
        return
    options = taken.alternatives()
    for alternative in sent.alternatives():
        losses = [list(_find_in_one(alternative, option, where, seen | {pair})) for option in options]
        if all(losses):
            yield from min(losses, key=len)


def _find_in_one(sent: Side, taken: Side, where: str, seen: frozenset[tuple[str, str]]) -> Iterator[str]:
    before, after = sent.schema, taken.schema
    if not _fits_type(before.get("type"), after.get("type")):
        yield f"{where}: {before.get('type', 'any value')} does not fit {after.get('type')}"
        return
    yield from _find_in_values(before, after, where)
    if "items" in after:
        yield from find_losses(sent.at(before.get("items", {})), taken.at(after["items"]), f"{where}[]", seen)
    yield from _find_in_members(sent, taken, where, seen)


def _fits_type(before: str | None, after: str | None) -> bool:
    return after is None or before == after or (before, after) == ("integer", "number")


def _find_in_values(before: JSONObject, after: JSONObject, where: str) -> Iterator[str]:
    allowed, possible = _values(after), _values(before)
    if allowed is not None and (possible is None or any(value not in allowed for value in possible)):
        yield f"{where}: only {allowed} fits"
    for name in UPPER_BOUNDS:
        if name in after and before.get(name, float("inf")) > after[name]:
            yield f"{where}: {name} {after[name]}"
    for name in LOWER_BOUNDS:
        if name in after and before.get(name, float("-inf")) < after[name]:
            yield f"{where}: {name} {after[name]}"
    for name in RULES:
        if name in after and before.get(name) != after[name] and possible is None:
            yield f"{where}: {name} {after[name]}"


def _values(schema: JSONObject) -> list[Any] | None:
    return [schema["const"]] if "const" in schema else schema.get("enum")


def _find_in_members(sent: Side, taken: Side, where: str, seen: frozenset[tuple[str, str]]) -> Iterator[str]:
    before, after = sent.schema, taken.schema
    members, known = before.get("properties", {}), after.get("properties", {})
    for name in sorted(set(after.get("required", [])) - set(before.get("required", []))):
        yield f"{where}.{name}: may be missing, but is required"
    others = after.get("additionalProperties", True)
    for name, schema in members.items():
        if name in known or isinstance(others, dict):
            yield from find_losses(sent.at(schema), taken.at(known.get(name, others)), f"{where}.{name}", seen)
        elif others is False:
            yield f"{where}.{name}: unknown"
    if isinstance(others, dict) and isinstance(before.get("additionalProperties"), dict):
        yield from find_losses(sent.at(before["additionalProperties"]), taken.at(others), f"{where}.*", seen)
