"""Violated constraints become errors that name fields: by SQLSTATE, the constraint and its columns.

Messages are not read, because they depend on the server's language. PostgreSQL's DETAIL is, but only for the columns
that it lists: `Key (lower(email::text))=(a@b)` starts like that in every language.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ForeignKeyConstraint
from sqlalchemy.exc import IntegrityError

from chassis.domain.exceptions import ConflictError, DomainError, ValidationError
from chassis.persistence.model_lookup import TableName, columns_of

_REFERENCE = "23503"
_RESTRICT = "23001"  # newer servers report it for ON DELETE RESTRICT and ON UPDATE RESTRICT
_UNIQUE = "23505"
_CHECK = "23514"
_EXCLUSION = "23P01"
_UNKNOWN_REFERENCE = "It refers to, or is referred to by, something else."
_KEY_OF_DETAIL = re.compile(r"\((?P<key>.+?)\)=\(")
_COLUMN_OF_KEY = re.compile(
    r"""(?:[\w.]+\()*(?P<column>"[^"]+"|[^\W\d]\w*)(?:::[\w ]+)?\)*"""
)  # a column, in functions
_TARGET = re.compile(
    r"""\s*(?P<verb>INSERT\s+INTO|UPDATE|DELETE\s+FROM)\s+(?:ONLY\s+)?(?:(?:"[^"]+"|\w+)\.)?(?P<table>"[^"]+"|\w+)""",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Violation:
    """`key` lists columns and expressions as the database does; `verb` and `target` are those of the statement."""

    table: TableName
    constraint: str
    key: str
    verb: str = ""
    target: str = ""

    def explain_duplicate(self) -> ConflictError:
        return ConflictError(self.blame(self.find_columns(), "already exists") or "It exists already.")

    def explain_exclusion(self) -> ConflictError:
        reason = "conflicts with existing data"
        return ConflictError(self.blame(self.find_columns(), reason) or f"It {reason}.")

    def explain_check(self) -> ValidationError:
        columns = columns_of(self.table.find_constraint(self.constraint))
        return ValidationError(self.blame(columns, "is not allowed") or "A value is not allowed.")

    def explain_restriction(self) -> ConflictError:
        by = self.table.describe()
        return ConflictError(f"It is still referred to by {by}." if by else _UNKNOWN_REFERENCE)

    def explain_reference(self) -> ConflictError:
        """PostgreSQL reports both sides of a reference alike, with the name of the table that refers to the other."""
        constraint = self.table.find_constraint(self.constraint)
        if not isinstance(constraint, ForeignKeyConstraint):
            constraint = None
        is_missing = self.is_missing(constraint)
        if is_missing:
            columns = columns_of(constraint) or self.key_columns()
            return ConflictError(self.blame(columns, "does not exist") or "It refers to something that does not exist.")
        if is_missing is not None:
            return self.explain_restriction()
        if constraint is None:
            return ConflictError(_UNKNOWN_REFERENCE)
        referred = TableName(constraint.referred_table.name, constraint.referred_table.schema)
        return ConflictError(f"The reference from {self.table.describe()} to {referred.describe()} does not hold.")

    def is_missing(self, constraint: ForeignKeyConstraint | None) -> bool | None:
        """Return whether the other row is missing; false if the row is still referred to, None if nobody can tell."""
        if constraint is not None:
            own = ", ".join(columns_of(constraint))
            referred = ", ".join(element.column.name for element in constraint.elements)
            if own != referred and self.key in (own, referred):
                return self.key == own
        if not self.table.name or not self.verb:
            return None
        if self.verb != "UPDATE":
            return self.verb == "INSERT"
        if self.target != self.table.name:
            return False if constraint is None or self.target == constraint.referred_table.name else None
        return None if constraint is None or constraint.referred_table is constraint.table else True

    def find_columns(self) -> list[str]:
        return self.key_columns() or columns_of(self.table.find_constraint(self.constraint))

    def key_columns(self) -> list[str]:
        """Return no columns if one part of the key is an expression over anything but one column."""
        found = [_COLUMN_OF_KEY.fullmatch(part.strip()) for part in self.key.split(",")]
        return [match["column"].strip('"') for match in found if match] if all(found) else []

    def blame(self, columns: Sequence[str], reason: str) -> dict[str, str]:
        return {self.table.attribute_of(column): reason for column in columns}


def explain_violation(error: IntegrityError) -> DomainError | None:
    """Return the error of the domain; None for a bug of the service, such as a violated NOT NULL."""
    state = getattr(error.orig, "sqlstate", None)
    violation = _read_violation(error)
    if state == _REFERENCE:
        return violation.explain_reference()
    if state == _RESTRICT:
        return violation.explain_restriction()
    if state == _UNIQUE:
        return violation.explain_duplicate()
    if state == _CHECK and violation.constraint:  # without one, no partition takes the row, or a trigger refused it
        return violation.explain_check()
    if state == _EXCLUSION and violation.constraint:
        return violation.explain_exclusion()
    return None


def read_target(error: IntegrityError) -> tuple[str, str]:
    """Return INSERT, UPDATE or DELETE and the name of the table, if the statement shows them; COMMIT does not."""
    target = _TARGET.match(error.statement or "")
    return (target["verb"].split()[0].upper(), target["table"].strip('"')) if target else ("", "")


def _read_violation(error: IntegrityError) -> Violation:
    cause: Any = error.orig and error.orig.__cause__
    key = _KEY_OF_DETAIL.search(getattr(error.orig, "detail", None) or "")
    verb, target = read_target(error)
    return Violation(
        table=TableName(getattr(cause, "table_name", None) or "", getattr(cause, "schema_name", None)),
        constraint=getattr(cause, "constraint_name", None) or "",
        key=key["key"] if key else "",
        verb=verb,
        target=target,
    )
