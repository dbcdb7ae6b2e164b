from chassis.domain.exceptions import ConflictError, DomainError


class LimitError(DomainError):
    """Has a status of its own."""


class MonthlyLimitError(LimitError):
    """Has the status of `LimitError`."""


class LockedError(ConflictError):
    """Has a status of its own, which differs from that of its base in the chassis."""


class DuplicateError(ConflictError):
    """Has the status of its base in the chassis."""
