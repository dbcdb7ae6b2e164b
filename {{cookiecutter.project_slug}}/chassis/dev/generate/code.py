"""The Python code of one field, in each of the files that name it."""

from dataclasses import dataclass

from chassis.dev.generate.defaults import code_of_default, value_of_default
from chassis.dev.generate.fields import Field
from chassis.dev.generate.names import pascal_case, with_article

KEY_SCHEMAS = {"int": "Id", "UUID": "UUID", "str": "Text"}


@dataclass(frozen=True)
class FieldCode:
    field: Field
    entity_class: str
    alias: str | None  # the name of its type in the controller, if it has one of its own

    @property
    def name(self) -> str:
        return self.field.name

    @property
    def one(self) -> str:
        """The name with an article, for the names of tests."""
        return with_article(self.field.label)

    @property
    def enum_class(self) -> str | None:
        return f"{self.entity_class}{pascal_case(self.name)}" if self.field.type == "enum" else None

    @property
    def python(self) -> str:
        """The type in the entity, in the model and in responses."""
        if self.field.target:
            return self.field.target.key_type
        return self.enum_class or self.field.kind.python

    @property
    def annotation(self) -> str:
        return self._optional(self.python)

    @property
    def column(self) -> str:
        """The right side of the column in the model, or nothing if its annotation says everything."""
        arguments = [self.field.kind.column(self.field.arguments)]
        if self.field.type == "json" and self.field.nullable:
            arguments = ["JSONB(none_as_null=True)"]
        if self.field.target:
            arguments = [f'ForeignKey("{self.field.target.table}.{self.field.target.key}")']
        arguments += [f"{flag}=True" for flag in ("unique", "index") if getattr(self.field, flag)]
        if self.field.default is not None:
            arguments.append(f"server_default={code_of_default(self.field, self.enum_class or '')}")
        used = [argument for argument in arguments if argument]
        return f" = mapped_column({', '.join(used)})" if used else ""

    @property
    def alias_type(self) -> str:
        if self.field.type == "decimal":
            digits, places = self.field.arguments
            return f"Annotated[Decimal, Field(max_digits={digits}, decimal_places={places})]"
        return f"Annotated[Text, Field(max_length={self.field.arguments[0]})]"

    @property
    def schema(self) -> str:
        """The type in bodies and queries."""
        if self.field.target:
            return KEY_SCHEMAS[self.field.target.key_type]
        return self.alias or self.enum_class or self.field.kind.schema

    @property
    def in_create(self) -> str:
        """A field with a default may be left out: the database fills it in."""
        if self.field.default is not None:
            return f"{self._optional(self.schema)} = unset()"
        return f"{self._optional(self.schema)}{' = None' if self.field.nullable else ''}"

    @property
    def in_update(self) -> str:
        return f"{self._optional(self.schema)} = unset()"

    @property
    def filters(self) -> list[tuple[str, str]]:
        """The names and types of the parameters by which clients may filter."""
        if not self.field.filter:
            return []
        lookups = [self.name]
        if self.field.kind.is_text:
            lookups.append(f"{self.name}__icontains")
        if self.field.kind.is_ordered:
            lookups += [f"{self.name}__gte", f"{self.name}__lte"]
        nulls = [(f"{self.name}__isnull", "bool")] if self.field.nullable else []
        return [*((lookup, self.schema) for lookup in lookups), *nulls]

    @property
    def low(self) -> str:
        return self.field.kind.samples(self.field.arguments)[0]

    @property
    def high(self) -> str:
        return self.field.kind.samples(self.field.arguments)[1]

    @property
    def numbered(self) -> str:
        """A value that no other entity has, made from `number`."""
        return self.field.kind.samples(self.field.arguments)[2]

    @property
    def sample(self) -> str:
        """A value for tests that say nothing about the field."""
        if self.field.target:
            return "None"
        return self.numbered if self.field.unique else self.low

    @property
    def in_query(self) -> str:
        """The higher value as it is sent in a URL."""
        return '"true"' if self.field.type == "boolean" else self.high

    @property
    def missing(self) -> str:
        """The key of an entity that does not exist."""
        keys = {"int": "2_000_000_000", "UUID": '"00000000-0000-4000-8000-000000000000"'}
        return keys.get(self.python, '"missing"')

    @property
    def is_required(self) -> bool:
        return not self.field.nullable and self.field.default is None

    @property
    def default_value(self) -> str | None:
        """The value that a client receives if it left out the field, or None if that cannot be foreseen."""
        return "None" if self.field.default is None else value_of_default(self.field)

    def _optional(self, annotation: str) -> str:
        return f"{annotation} | None" if self.field.nullable else annotation
