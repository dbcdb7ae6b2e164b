from pydantic import BaseModel


class ProblemSchema(BaseModel):
    """An error: https://www.rfc-editor.org/rfc/rfc9457, plus `error_message` for clients of the Flask template."""

    type: str
    title: str
    status: int
    detail: str
    instance: str | None
    error_message: str | dict[str, str]
