"""What all request bodies have in common."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

Text = Annotated[str, Field(pattern=r"^[^\x00]*$")]  # PostgreSQL stores any character but NUL


class BodySchema(BaseModel):
    """Refuses a body without data, a field it does not know and a value of another type."""

    model_config = ConfigDict(extra="forbid", strict=True)

    @model_validator(mode="before")
    @classmethod
    def _require_data(cls, data: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
        if not data and (data is None or isinstance(data, dict | list)):
            msg = "No data provided"
            raise ValueError(msg)
        if not isinstance(data, dict):
            msg = "The body must be a JSON object"
            raise ValueError(msg)  # noqa: TRY004 - pydantic reports a ValueError
        return data
