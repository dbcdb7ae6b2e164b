"""Alembic can neither change an identity nor the expression that computes a column."""

from typing import Any

from sqlalchemy import Column, Dialect

from chassis.persistence.autogenerate.catalog import ColumnDescription

SET_EXPRESSION = (17,)  # the first version of PostgreSQL that has it
UNFILLED = ColumnDescription(type="", not_null=False, default=None, generated=None, identity=())


class ColumnChange:
    """Writes the statements that lead from one description of a column to another one."""

    def __init__(self, column: Column[Any], dialect: Dialect) -> None:
        self._version = getattr(dialect, "server_version_info", None) or ()
        self._table = dialect.identifier_preparer.format_table(column.table)
        self._name = str(column.name)
        self._column = dialect.identifier_preparer.format_column(column)
        self._alter = f"ALTER TABLE {self._table} ALTER COLUMN {self._column}"

    def statements(self, before: ColumnDescription, after: ColumnDescription) -> tuple[str, ...]:
        if not before.generated and not after.generated:
            return (*self._stop_filling(before, after), *self._fill(before, after))
        if after.generated:
            return self._compute(before, after)
        if str(before.generated).endswith(" STORED"):
            return (f"{self._alter} DROP EXPRESSION", *self._fill(UNFILLED, after))
        return (*self._replace(after, after.type), *self._fill(UNFILLED, after))

    def _compute(self, before: ColumnDescription, after: ColumnDescription) -> tuple[str, ...]:
        _, _, storage_before = str(before.generated).rpartition(" ")
        expression, _, storage = str(after.generated).rpartition(" ")
        if storage == storage_before and self._version >= SET_EXPRESSION:
            return (f"{self._alter} SET EXPRESSION AS {expression}",)
        return self._replace(after, f"{after.type} GENERATED ALWAYS AS {after.generated}")

    def _replace(self, after: ColumnDescription, definition: str) -> tuple[str, ...]:
        add = f"ALTER TABLE {self._table} ADD COLUMN {self._column} {definition}{' NOT NULL' * after.not_null}"
        return (f"ALTER TABLE {self._table} DROP COLUMN {self._column}", add)

    def _stop_filling(self, before: ColumnDescription, after: ColumnDescription) -> tuple[str, ...]:
        if before.identity and not after.identity:
            return (f"{self._alter} DROP IDENTITY", *[f"{self._alter} DROP NOT NULL"] * (not after.not_null))
        sequence = (f"DROP SEQUENCE {before.sequence}",) if before.sequence and not before.identity else ()
        return (f"{self._alter} DROP DEFAULT", *sequence) if before.default else ()

    def _fill(self, before: ColumnDescription, after: ColumnDescription) -> tuple[str, ...]:
        if before.identity and after.identity:
            return (f"{self._alter} {' '.join(f'SET {option}' for option in after.identity)}",)
        if after.identity:
            kind, *options = after.identity
            add = f"{self._alter} ADD {kind} AS IDENTITY ({' '.join(options)})"
            return (*[f"{self._alter} SET NOT NULL"] * (not before.not_null), add, self._continue_counting())
        return self._set_default(after.default, after.sequence) if after.default else ()

    def _set_default(self, default: str, sequence: str | None) -> tuple[str, ...]:
        set_default = f"{self._alter} SET DEFAULT {default}"
        if sequence is None:
            return (set_default,)
        create = f"CREATE SEQUENCE {sequence} OWNED BY {self._table}.{self._column}"
        return (create, set_default, self._continue_counting())

    def _continue_counting(self) -> str:
        """A new sequence would begin with numbers that rows have already."""
        table, column = (name.replace("'", "''") for name in (self._table, self._name))
        sequence = f"pg_get_serial_sequence('{table}', '{column}')"
        highest = f"max({self._column})"
        counted = f"FROM {self._table} HAVING {highest} IS NOT NULL"
        return f"SELECT setval({sequence}, {highest} + 1, false) {counted}"
