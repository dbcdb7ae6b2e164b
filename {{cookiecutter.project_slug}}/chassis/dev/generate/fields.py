"""Fields as they are typed: `name:type[{arguments}][?][:modifier]…`."""

import re
from dataclasses import dataclass
from difflib import get_close_matches

from chassis.dev.generate.field_names import check_field_name
from chassis.dev.generate.names import MAX_FIELD_LENGTH, snake_case
from chassis.dev.generate.refusal import GeneratorError
from chassis.dev.generate.types import (
    MAX_INDEXED_LENGTH,
    NO_ARGUMENTS,
    TYPES,
    Arguments,
    FieldType,
    check_arguments,
    member_name,
)

MODIFIERS = ("unique", "index", "filter", "sort")
_TYPE = re.compile(r"(?P<type>[a-z]+)(\{(?P<arguments>[^{}]*)\})?(?P<nullable>\?)?")


@dataclass(frozen=True)
class Target:
    """The entity that a field refers to."""

    name: str
    table: str
    key: str  # its column
    key_type: str  # in Python: int, UUID or str
    has_factory: bool = True


@dataclass(frozen=True, kw_only=True)
class Field:
    """A field of an entity, with the names and the code that the templates write."""

    name: str
    type: str
    arguments: Arguments = NO_ARGUMENTS
    nullable: bool = False
    unique: bool = False
    index: bool = False
    filter: bool = False
    sort: bool = False
    default: str | None = None
    target: Target | None = None

    @property
    def kind(self) -> FieldType:
        return TYPES[self.type]

    @property
    def label(self) -> str:
        """The name without `_id`, as people say it."""
        return self.name.removesuffix("_id") if self.type == "references" else self.name

    @property
    def members(self) -> list[tuple[str, str]]:
        """The names and the values of an enum."""
        return [(member_name(value), value) for value in self.arguments] if self.type == "enum" else []


def parse_fields(texts: tuple[str, ...]) -> list[Field]:
    """Return the fields in their order.

    Raises:
        GeneratorError: a field cannot be understood, or is named twice.
    """
    fields = [parse_field(text) for text in texts]
    names = [field.name for field in fields]
    for name in names:
        if names.count(name) > 1:
            raise GeneratorError(f"The field `{name}` is named twice: remove one of them, or give it another name.")
    return fields


def parse_field(text: str) -> Field:
    typed, _, definition = text.partition(":")
    first, *modifiers = re.split(r":(?![^{]*\})", definition)
    found = _TYPE.fullmatch(first)
    if not found or found["type"] not in TYPES:
        raise GeneratorError(_unknown_type(text, typed, first))
    name = snake_case(typed, longest=MAX_FIELD_LENGTH, what="the name of a field")
    type_name = found["type"]
    values = [value.strip() for value in (found["arguments"] or "").split(",")]
    arguments = check_arguments(type_name, tuple(value for value in values if value))
    if type_name == "references":
        target = arguments[0] if arguments else name.removesuffix("_id")
        name, arguments = f"{name.removesuffix('_id')}_id", (target,)
    check_field_name(name)
    if type_name == "enum":
        _check_members(name, arguments)
    flags, default = _read_modifiers(name, modifiers)
    field = Field(
        name=name,
        type=type_name,
        arguments=arguments,
        nullable=bool(found["nullable"]),
        unique="unique" in flags,
        index="index" in flags or (type_name == "references" and "unique" not in flags),  # PostgreSQL makes none
        filter="filter" in flags,
        sort="sort" in flags,
        default=default,
    )
    _check_combination(field)
    return field


def _unknown_type(text: str, typed: str, first: str) -> str:
    if found := re.match("(enum|decimal)[a-z0-9]+", first):
        example = "{draft,printed}" if found[1] == "enum" else "{10,2}"
        return (
            f"`{text}` has no braces, which your shell may have expanded: "
            f"type the field in quotation marks, as in '{typed}:{found[1]}{example}'."
        )
    if "(" in first:
        advice = f"{typed}:{first}".replace("(", "{").replace(")", "}")
        return f"`{text}` has parentheses instead of braces: type '{advice}'."
    known = ", ".join(TYPES)
    name = re.split("[{?]", first)[0]
    if not name or name in TYPES:
        return f"`{text}` is not a field: type name:type, as in `{typed or 'title'}:string`; the types are {known}."
    advice = "".join(f"type `{each}`; " for each in get_close_matches(name, TYPES, n=1))
    return f"`{name}` is not a type: {advice}the types are {known}."


def _check_members(name: str, values: Arguments) -> None:
    for value in values:
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9]*([_-][A-Za-z0-9]+)*", value):
            raise GeneratorError(
                f"`{value}` cannot be a value of {name}: type letters and digits, with a letter first."
            )
    if len({member_name(value) for value in values}) < len(values):
        raise GeneratorError(f"Two values of {name} have the same name: remove one of them.")


def _read_modifiers(name: str, modifiers: list[str]) -> tuple[set[str], str | None]:
    flags: set[str] = set()
    default: str | None = None
    for modifier in modifiers:
        if modifier in MODIFIERS:
            flags.add(modifier)
        elif modifier.startswith("default="):
            default = modifier.removeprefix("default=")
        elif default is not None:  # a value with a colon
            default += f":{modifier}"
        else:
            known = ", ".join(MODIFIERS)
            raise GeneratorError(f"`{modifier}` of {name} is not a modifier: the modifiers are {known} and default=….")
    return flags, default


def _check_combination(field: Field) -> None:
    used = [name for name in MODIFIERS if getattr(field, name)]
    if used and not field.kind.is_comparable:
        raise GeneratorError(f"{field.name} is {field.type}, which cannot be compared: leave out `{used[0]}`.")
    if field.sort and field.type == "references":
        raise GeneratorError(f"The order of {field.name} says nothing to a client: leave out `sort`.")
    is_long = field.type == "text" or (field.type == "string" and int(field.arguments[0]) > MAX_INDEXED_LENGTH)
    if is_long and (field.unique or field.index):
        longest = "string{" + str(MAX_INDEXED_LENGTH) + "}"
        raise GeneratorError(f"{field.name} is too long for an index of PostgreSQL: type `{longest}` or less.")
    if field.unique and field.type in ("boolean", "enum"):
        raise GeneratorError(f"{field.name} has too few values to be unique: leave out `unique`.")
    if field.unique and field.default not in (None, "random"):
        raise GeneratorError(f"{field.name} is unique, so two rows cannot have its default: leave out one of both.")
    if field.unique and field.index:
        raise GeneratorError(f"{field.name} is unique, which has an index already: leave out `index`.")
