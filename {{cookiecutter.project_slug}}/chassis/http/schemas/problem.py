from pydantic import BaseModel, RootModel


class Reasons(RootModel[dict[str, str]]):
    """Field → reason."""


class ProblemSchema(BaseModel):
    """An error: https://www.rfc-editor.org/rfc/rfc9457, plus `error_message` for clients of the Flask template."""

    type: str
    title: str
    status: int
    detail: str
    instance: str | None
    error_message: str | Reasons
