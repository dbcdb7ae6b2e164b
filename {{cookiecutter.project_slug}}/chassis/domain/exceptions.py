"""Errors in the words of the domain; `chassis.http.errors` gives each its HTTP status.

DomainError
├── ValidationError       the input breaks a rule
├── NotFoundError         nothing has this identity
├── ConflictError         the change contradicts what is stored
├── UnauthenticatedError  the caller must say who it is
├── ForbiddenError        nobody may do this here
├── TooManyAttemptsError  the caller has to wait
└── UnavailableError      something that the service depends on does not answer
"""

from collections.abc import Mapping


class ConfigurationError(Exception):
    """The service cannot start with its settings or its code; the message says what to change."""


class DomainError(Exception):
    """`message` is a sentence for the caller, or field → reason; it must not reveal how the service is built."""

    def __init__(self, message: str | Mapping[str, str]) -> None:
        sentence = message if isinstance(message, str) else "; ".join(f"{key}: {why}" for key, why in message.items())
        super().__init__(sentence)
        self.message = message if isinstance(message, str) else dict(message)


class ValidationError(DomainError):
    pass


class NotFoundError(DomainError):
    pass


class ConflictError(DomainError):
    pass


class UnauthenticatedError(DomainError):
    pass


class ForbiddenError(DomainError):
    pass


class TooManyAttemptsError(DomainError):
    def __init__(self, message: str, *, seconds: int) -> None:
        """`seconds` is how long the caller has to wait."""
        super().__init__(message)
        self.seconds = seconds


class UnavailableError(DomainError):
    pass
