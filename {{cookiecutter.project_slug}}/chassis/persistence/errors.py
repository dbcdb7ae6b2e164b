"""Database errors are translated into errors of the domain here and nowhere else, by SQLSTATE.

Codes: https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import asyncpg
from sqlalchemy import Table
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import ColumnProperty

from chassis.domain.exceptions import ConflictError, DomainError, UnavailableError, ValidationError
from chassis.persistence.loading import is_stored
from chassis.persistence.model import ModelExtension

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
_REFERENCE_STATES = ("23503", "23001")  # foreign key; newer servers use the second for ON DELETE RESTRICT
_DUPLICATE_STATE = "23505"
_KEY_OF_DETAIL = re.compile(r"\((?P<key>.+?)\)=\(")  # Key (lower(email::text))=(a@b) already exists, in any language
_COLUMN_OF_KEY = re.compile(
    r"""(?:[\w.]+\()*(?P<column>"[^"]+"|[^\W\d]\w*)(?:::[\w ]+)?\)*"""
)  # a column, in functions
_COLUMN_OF_SQLITE = re.compile(r"(?:failed: |, )(?P<table>\w+)\.(?P<column>\w+)")


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
        return _conflict(state, error.orig)
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


def _conflict(state: str, violation: BaseException | None) -> ConflictError | None:
    """Decide by SQLSTATE alone, because messages depend on the server's language. SQLite has only messages."""
    message = str(violation)
    if state in _REFERENCE_STATES or (not state and "FOREIGN KEY constraint failed" in message):
        return ConflictError("It refers to, or is referred to by, something else.")
    if state == _DUPLICATE_STATE:
        cause: Any = violation and violation.__cause__
        table, schema = getattr(cause, "table_name", None) or "", getattr(cause, "schema_name", None)
        columns = _columns_of(getattr(violation, "detail", None) or "")
        return _duplicate([_attribute_of(table, column, schema) for column in columns])
    if not state and "UNIQUE constraint failed" in message:
        return _duplicate([_attribute_of(**found.groupdict()) for found in _COLUMN_OF_SQLITE.finditer(message)])
    return None


def _duplicate(fields: list[str]) -> ConflictError:
    return ConflictError(dict.fromkeys(fields, "already exists") or "It exists already.")


def _columns_of(detail: str) -> list[str]:
    """Return no columns if one part of the key is an expression over anything but one column."""
    key = _KEY_OF_DETAIL.search(detail)
    found = [_COLUMN_OF_KEY.fullmatch(part.strip()) for part in key["key"].split(",")] if key else []
    return [match["column"].strip('"') for match in found if match] if all(found) else []


def _attribute_of(table: str, column: str, schema: str | None = None) -> str:
    """Return the name of the column in its model, because clients know that one; without a model, its own name."""
    # A model without a schema is in the one that the connection uses, whose name is not known here.
    for attribute in (*_attributes_of(table, schema), *_attributes_of(table, None)):
        if is_stored(attribute) and attribute.columns[0].name == column:
            return attribute.key
    return column


def _attributes_of(table: str, schema: str | None) -> Iterator[ColumnProperty[Any]]:
    for mapper in ModelExtension.registry.mappers:
        stored = mapper.local_table
        if isinstance(stored, Table) and (stored.name, stored.schema) == (table, schema):
            yield from mapper.column_attrs


def _is_caused_by_value(error: DBAPIError) -> bool:
    """Return whether asyncpg refused a value that its type cannot hold, for which there is no SQLSTATE."""
    return isinstance(getattr(error.orig, "__cause__", None), (ValueError, OverflowError))
