"""Named schemas of the OpenAPI document: a generator of clients writes one class for each."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Literal

from chassis.domain.exceptions import ConfigurationError

JSONObject = dict[str, Any]
Direction = Literal["input", "output"]
PREFIX = "#/components/schemas/"
SUFFIX = "Schema"
INPUT = "Input"
_CLASS = re.compile(r"\w+(\[[\w\[\], ]+\])?")


class Components:
    """Collects the schemas of requests and of responses, which may differ although they belong to the same class.

    A class is called as in Python, without the suffix `Schema`: `Book` for `BookSchema`, `BookPage` for
    `PageSchema[BookSchema]`. If it differs in a request, for instance because of a default, it is `BookInput` there.
    """

    def __init__(self) -> None:
        self._schemas: dict[tuple[str, str], JSONObject] = {}

    def add(self, schema: JSONObject, definitions: Mapping[str, JSONObject], direction: Direction) -> JSONObject:
        """Keep a schema with its definitions, and return a reference to it, or the schema itself if it has no name.

        Raises:
            ConfigurationError: there is another schema with the same name.
        """
        names = {key: component_name(definition.get("title", key), key) for key, definition in definitions.items()}

        def point(reference: str) -> str:
            return f"{PREFIX}{direction}/{names[reference.removeprefix(PREFIX)]}"

        for key, definition in definitions.items():
            self._keep(direction, names[key], _map_references(definition, point))
        schema = _map_references(schema, point)
        name = component_name(schema.get("title", ""))
        if "$ref" in schema or not name:
            return schema
        self._keep(direction, name, schema)
        return {"$ref": f"{PREFIX}{direction}/{name}"}

    def resolve(self, document: JSONObject) -> tuple[JSONObject, JSONObject]:
        """Return the document with its references, and the schemas that they refer to."""
        different = self._find_different()

        def name(direction: str, name: str) -> str:
            return name + INPUT if direction == "input" and name in different else name

        def point(reference: str) -> str:
            return PREFIX + name(*reference.removeprefix(PREFIX).split("/"))

        schemas = {
            name(*key): {**_map_references(schema, point), "title": name(*key)} for key, schema in self._schemas.items()
        }
        return _map_references(document, point), dict(sorted(schemas.items()))

    def _keep(self, direction: Direction, name: str, schema: JSONObject) -> None:
        if self._schemas.setdefault((direction, name), schema) != schema:
            msg = f"Two different schemas are called {name} in the OpenAPI document: rename one of the classes."
            raise ConfigurationError(msg)

    def _find_different(self) -> set[str]:
        """Return the names whose schema in requests differs from that in responses, or refers to one that does."""
        both = {name for direction, name in self._schemas if direction == "input"}
        both &= {name for direction, name in self._schemas if direction == "output"}
        different: set[str] = set()
        found = both
        while found:
            found = {name for name in both - different if self._differs(name, different)}
            different |= found
        return different

    def _differs(self, name: str, different: set[str]) -> bool:
        def point(reference: str) -> str:
            _, target = reference.removeprefix(PREFIX).split("/")
            return reference if target in different else target

        sent, received = (_map_references(self._schemas[way, name], point) for way in ("input", "output"))
        return bool(sent != received)


def component_name(title: str, key: str = "") -> str:
    """Return `BookPage` for `PageSchema[BookSchema]`; a title that is not the name of a class gives way to the key."""
    name = title if _CLASS.fullmatch(title) else key
    return "".join(part.removesuffix(SUFFIX) or part for part in reversed(re.findall(r"\w+", name)))


def _map_references(node: Any, point: Callable[[str], str]) -> Any:  # noqa: ANN401 - a value of JSON
    """Return a copy with all references replaced; `discriminator` has them as plain text."""
    if isinstance(node, dict):
        return {key: _map_references(value, point) for key, value in node.items()}
    if isinstance(node, list):
        return [_map_references(value, point) for value in node]
    if isinstance(node, str) and node.startswith(PREFIX):
        return point(node)
    return node
