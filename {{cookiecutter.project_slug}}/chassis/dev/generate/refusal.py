"""The error of everything that the generator does not do; nothing has been written when it is raised."""

from chassis.domain.exceptions import DomainError


class GeneratorError(DomainError):
    """The message is one sentence that says what to type or to change instead."""
