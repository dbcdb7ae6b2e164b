from datetime import datetime

from src.api.schemas.problem import ProblemSchema
from src.domain.service_context import ServiceContext

MESSAGE = "Service is currently enduring maintenance"
UNKNOWN = "Whether there is maintenance is unknown: the database has not answered yet"


class MaintenanceProblemSchema(ProblemSchema):
    """What a client gets during a maintenance window; `message` is what the Flask template said."""

    message: str
    since: datetime | None
    expected_end: datetime | None

    @classmethod
    def of(cls, context: ServiceContext | None) -> "MaintenanceProblemSchema":
        """None stands for a window that is neither known to be open nor to be closed."""
        detail = UNKNOWN if context is None else context.message or MESSAGE
        return cls(
            type="about:blank",
            title="Service Unavailable",
            status=503,
            detail=detail,
            instance=None,
            error_message=detail,
            message=MESSAGE if context else UNKNOWN,
            since=context.since if context else None,
            expected_end=context.expected_end if context else None,
        )
