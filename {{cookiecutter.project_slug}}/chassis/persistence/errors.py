"""Database errors are translated into errors of the domain here and nowhere else, by SQLSTATE.

Codes: https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from chassis.domain.exceptions import DomainError, UnavailableError, ValidationError
from chassis.persistence.sqlite_violations import explain_sqlite_violation
from chassis.persistence.violations import explain_violation

UNAVAILABLE = "The database is not available, try again later."
NOT_MIGRATED = (
    "The database lacks a table or a column of this service: run `quart db upgrade`, "
    "or first `quart db migrate` where no revision adds it."
)
_NOT_MIGRATED_STATES = ("42P01", "42703")  # undefined table, undefined column
_UNAVAILABLE_STATES = (  # or the first two characters of them
    "08",  # connection
    "25006",  # read-only: no longer the primary
    "28",  # login
    "3D",  # no such database
    "40",  # deadlock, serialization failure: rolled back
    "53",  # memory, disk or connections are exhausted
    "55P03",  # a lock was not available in time
    "57",  # cancelled, shutting down, starting up
    "58",  # input and output
)
_ASYNCPG_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


class NotMigratedError(UnavailableError):
    """A table or column does not exist, perhaps because a migration is due."""


@contextmanager
def translate_errors() -> Iterator[None]:
    """Translate failures to connect as well; wrap nothing but calls of the database."""
    try:
        with translate_statement_errors():
            yield
    except (PoolTimeoutError, OSError, *_ASYNCPG_ERRORS) as error:  # pool exhausted; refused; closed at once
        raise UnavailableError(UNAVAILABLE) from error


@contextmanager
def translate_statement_errors() -> Iterator[None]:
    """Raise `ConflictError`, `ValidationError` or `UnavailableError` for faults of the caller or the database.

    Anything else, a violated NOT NULL for instance, is a bug of the service and is raised unchanged.
    """
    try:
        yield
    except DBAPIError as error:
        translation = _translate(error)
        if translation is None:
            raise
        raise translation from error


def _translate(error: DBAPIError) -> DomainError | None:
    state = getattr(error.orig, "sqlstate", None) or ""
    if isinstance(error, IntegrityError):
        return explain_violation(error) if state else explain_sqlite_violation(error)
    if state.startswith("22") or (not state and _is_caused_by_value(error)):
        return ValidationError("A value is out of the range that can be stored.")
    if state in _NOT_MIGRATED_STATES or "no such table" in str(error.orig):
        return NotMigratedError(NOT_MIGRATED)
    if error.connection_invalidated or state.startswith(_UNAVAILABLE_STATES) or _is_outdated(error):
        return UnavailableError(UNAVAILABLE)
    if not state and isinstance(error, (InterfaceError, OperationalError)):
        return UnavailableError(UNAVAILABLE)
    return None


def is_stale(error: BaseException | None) -> bool:
    """Return whether another attempt is likely to succeed, with another connection or a newly prepared statement.

    False after a timeout: the caller has waited long enough.
    """
    if not isinstance(error, DBAPIError) or isinstance(error.orig, TimeoutError):
        return False
    return error.connection_invalidated or _is_outdated(error)


def _is_outdated(error: DBAPIError) -> bool:
    """Return whether a migration changed the result of a prepared statement, which can be prepared and sent again."""
    return isinstance(getattr(error.orig, "__cause__", None), asyncpg.InvalidCachedStatementError)


def _is_caused_by_value(error: DBAPIError) -> bool:
    """Return whether asyncpg refused a value that its type cannot hold, for which there is no SQLSTATE."""
    return isinstance(getattr(error.orig, "__cause__", None), (ValueError, OverflowError))
