"""Forms send every value as text, so their schemas read text as the type of the field."""

from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator

from chassis.http.schemas.many import as_list, describe_without_null, fields_with_many


class FormSchema(BaseModel):
    """The base of schemas for forms; a file is a field of the type `quart_schema.pydantic.File`."""

    model_config = ConfigDict(
        extra="forbid", allow_inf_nan=False, arbitrary_types_allowed=True, json_schema_extra=describe_without_null
    )

    def sent_values(self) -> dict[str, Any]:
        """Return the fields that the client sent, without defaults for the others."""
        return {name: value for name, value in self if name in self.model_fields_set}

    @field_validator("*", mode="before")
    @classmethod
    def _read_list(cls, value: Any, info: ValidationInfo) -> Any:  # noqa: ANN401 - text, a file or a list of them
        return as_list(value) if info.field_name in fields_with_many(cls) else value
