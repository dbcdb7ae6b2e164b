"""Every error has one body: RFC 9457, plus `error_message` for clients of the Flask template."""

from collections.abc import Mapping
from typing import Any

from werkzeug.http import HTTP_STATUS_CODES

from chassis.http.schemas.problem import ProblemSchema

Reasons = str | Mapping[str, str]  # a sentence, or field → reason
PROBLEM_TYPE = "application/problem+json"


def problem_body(
    status: int,
    reasons: Reasons,
    instance: str | None = None,
    schema: type[ProblemSchema] = ProblemSchema,
    **members: Any,
) -> str:
    """Return the JSON of an error; `instance` is the path of the request, `members` are those that `schema` adds."""
    sentence = reasons if isinstance(reasons, str) else "; ".join(f"{field}: {why}" for field, why in reasons.items())
    return schema(
        type="about:blank",
        title=HTTP_STATUS_CODES.get(status, "Error"),
        status=status,
        detail=sentence,
        instance=instance,
        error_message=reasons if isinstance(reasons, str) else dict(reasons),
        **members,
    ).model_dump_json()
