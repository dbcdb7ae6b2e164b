"""SQLite has no SQLSTATE: its messages, which are always English, and the statement have to do."""

import re

from sqlalchemy import ForeignKeyConstraint
from sqlalchemy.exc import IntegrityError

from chassis.domain.exceptions import ConflictError, DomainError
from chassis.persistence.model_lookup import TableName
from chassis.persistence.violations import Violation, read_target

_DUPLICATE = "UNIQUE constraint failed: "
_COLUMN = re.compile(r"(?:failed: |, )(?P<table>\w+)\.(?P<column>\w+)")
_INDEX = re.compile(r"failed: index '(?P<name>.+)'")
_CHECK = re.compile(r"CHECK constraint failed: (?P<name>.+)")


def explain_sqlite_violation(error: IntegrityError) -> DomainError | None:
    """Return the error of the domain; None for a bug of the service, such as a violated NOT NULL."""
    message = str(error.orig)
    verb, target = read_target(error)
    if "FOREIGN KEY constraint failed" in message:
        return _explain_reference(verb, target)
    if check := _CHECK.search(message):
        return Violation(TableName(target), check["name"], "").explain_check()
    if index := _INDEX.search(message):
        return Violation(TableName(target), index["name"], "").explain_duplicate()
    if _DUPLICATE in message:
        columns = list(_COLUMN.finditer(message))
        table = TableName(columns[0]["table"] if columns else target)
        return Violation(table, "", ", ".join(column["column"] for column in columns)).explain_duplicate()
    return None


def _explain_reference(verb: str, target: str) -> ConflictError:
    """Only an INSERT into a table with one reference, or a DELETE from one that one table refers to, is clear."""
    table = next(TableName(target).find_tables(), None)
    if table is not None and verb == "INSERT":
        constraints = list(table.foreign_key_constraints)
    elif table is not None and verb == "DELETE":
        constraints = [each for other in table.metadata.tables.values() for each in _references(other.name, target)]
    else:
        constraints = []
    if len(constraints) != 1:
        return Violation(TableName(""), "", "").explain_reference()
    (constraint,) = constraints
    referring = TableName(constraint.table.name)
    key = ", ".join(element.parent.name for element in constraint.elements)
    violation = Violation(referring, str(constraint.name), key, verb, target)
    return violation.explain_reference() if verb == "INSERT" else violation.explain_restriction()


def _references(referring: str, referred: str) -> list[ForeignKeyConstraint]:
    tables = TableName(referring).find_tables()
    return [each for table in tables for each in table.foreign_key_constraints if each.referred_table.name == referred]
