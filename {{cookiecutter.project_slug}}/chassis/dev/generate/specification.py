"""An entity as it is asked for; its properties are what the templates write."""

import builtins
import re
from dataclasses import dataclass, replace

from chassis.dev.generate.code import FieldCode
from chassis.dev.generate.defaults import check_default
from chassis.dev.generate.fields import Field, Target
from chassis.dev.generate.names import entity_name, pascal_case, plural_of, snake_case, with_article
from chassis.dev.generate.refusal import GeneratorError
from chassis.dev.generate.types import TYPES

KEYS = {"integer": "int", "uuid": "UUID"}
MAX_PATH_LENGTH = 60  # characters, so that lines of tests are not too long
_PATH = re.compile(r"(/[a-z0-9]+([_.~-][a-z0-9]+)*)+")


@dataclass(frozen=True, kw_only=True)
class Specification:
    name: str
    plural: str
    path: str
    key: str  # in Python: int or UUID
    fields: tuple[Field, ...]

    @property
    def class_name(self) -> str:
        return pascal_case(self.name)

    @property
    def url_prefix(self) -> str:
        return self.path.rpartition("/")[0]

    @property
    def own_path(self) -> str | None:
        """The last part of the path, if it is not the name."""
        part = self.path.rpartition("/")[2]
        return f"/{part}" if part != self.name else None

    @property
    def title(self) -> str:
        return self.name.replace("_", " ")

    @property
    def one(self) -> str:
        return with_article(self.name)

    @property
    def missing_key(self) -> str:
        return "00000000-0000-4000-8000-000000000000" if self.key == "UUID" else "0"

    @property
    def code(self) -> list[FieldCode]:
        return code_of_fields(self)

    @property
    def references(self) -> list[FieldCode]:
        return [code for code in self.code if code.field.target]

    @property
    def variable(self) -> str:
        """The name of one of them in tests."""
        return f"{self.name}_data" if self.name in _VARIABLES or hasattr(builtins, self.name) else self.name

    @property
    def sample(self) -> list[FieldCode]:
        """The fields that a factory for tests fills in: the required ones, or one that makes the body not empty."""
        required = [code for code in self.code if code.is_required]
        return [code for code in required if not code.field.target] if required else self.code[:1]

    @property
    def left_out(self) -> list[FieldCode]:
        """The fields that a factory leaves out, and whose values can be foreseen."""
        names = {code.name for code in self.sample}
        optional = [code for code in self.code if not code.is_required and code.name not in names]
        return [code for code in optional if code.default_value is not None]

    @property
    def targets(self) -> list[str]:
        """The other entities that this one refers to."""
        names = [field.target.name for field in self.fields if field.target]
        return [name for name in dict.fromkeys(names) if name != self.name]

    @property
    def required_targets(self) -> list[str]:
        names = [field.target.name for field in self.fields if field.target and not field.nullable]
        return list(dict.fromkeys(names))

    @property
    def target(self) -> Target:
        """The target of a field that refers to this entity."""
        return Target(name=self.name, table=self.name, key="id", key_type=self.key)

    def with_field(self, field: Field) -> "Specification":
        return replace(self, fields=(*self.fields, field))


def specify(
    name: str, fields: list[Field], *, plural: str | None = None, path: str | None = None, key: str = "integer"
) -> Specification:
    """Return the specification, with what may be left out.

    Raises:
        GeneratorError: a name, the path or a default cannot be used.
    """
    name = entity_name(name)
    if not fields:
        raise GeneratorError(f"`{name}` needs a field: type for instance `quart generate entity {name} title:string`.")
    plural = snake_case(plural, longest=45, what="a plural") if plural else plural_of(name)
    path = path or f"/v1/{name}"
    if not _PATH.fullmatch(path) or len(path) > MAX_PATH_LENGTH:
        raise GeneratorError(
            f"`{path}` is not a path: type lower-case letters and digits, as in `--path /v1/{plural}`."
        )
    for field in fields:
        check_default(field)
        if field.name == name:
            raise GeneratorError(f"The field `{name}` has the name of its entity: choose another name for it.")
    return Specification(name=name, plural=plural, path=path, key=KEYS[key], fields=tuple(fields))


def code_of_fields(specification: Specification) -> list[FieldCode]:
    """Return the code of each field; types of the controller that would have the same name get another one."""
    taken = {*_SCHEMA_NAMES, *(f"{specification.class_name}{suffix}" for suffix in _CLASS_SUFFIXES)}
    codes = []
    for field in specification.fields:
        alias = pascal_case(field.name)
        while alias in taken:
            alias += "Value"
        has_alias = field.type in ("string", "decimal")
        taken |= {alias} if has_alias else set()
        codes.append(FieldCode(field, specification.class_name, alias if has_alias else None))
    return codes


_VARIABLES = {
    "client",
    "created",
    "changes",
    "field",
    "found",
    "item",
    "key",
    "method",
    "page",
    "parameter",
    "response",
}
_VARIABLES |= {"first", "get_items", "in_order", "second", "value", "values", "without", "pytest", "tests"}
_CLASS_SUFFIXES = ("", "Model", "Repository", "Schema", "CreateSchema", "UpdateSchema", "Query")
_SCHEMA_NAMES = {
    *(kind.schema for kind in TYPES.values()),
    *("Annotated", "Any", "BaseModel", "Blueprint", "BodySchema", "Enum", "Field", "PageQuery"),
}
