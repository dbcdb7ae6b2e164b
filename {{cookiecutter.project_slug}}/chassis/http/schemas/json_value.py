"""Any JSON value that PostgreSQL can store in a column of the type JSONB: it has no character NUL."""

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, ValidationError, ValidatorFunctionWrapHandler, WrapValidator
from typing_extensions import TypeAliasType

from chassis.http.schemas.types import Text

if TYPE_CHECKING:
    Json = Any
else:
    JsonObject = Annotated[dict[Text, "JsonTree"], Field(json_schema_extra={"additionalProperties": False})]
    JsonTree = TypeAliasType("JsonTree", "bool | int | float | Text | list[JsonTree] | JsonObject | None")

    def _validate(value: object, validate: ValidatorFunctionWrapHandler) -> object:
        """Report one mistake instead of one for each kind of value."""
        try:
            return validate(value)
        except ValidationError:
            msg = "must be JSON without the character NUL, and with texts of at most 10000 characters"
            raise ValueError(msg) from None

    Json = Annotated[JsonTree, WrapValidator(_validate)]
