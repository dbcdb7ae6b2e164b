"""Writes, tries and removes migrations, on a database that is used for nothing else."""

import ast
import re
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

from alembic import command
from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from chassis.dev.generate.refusal import GeneratorError
from chassis.persistence.migrations import alembic_config

_ALTERED = re.compile(r'ALTER TABLE "?(\w+)"? ')  # as autogenerate writes constraints of existing tables
_COLUMN_OPERATIONS = {"add_column", "alter_column", "drop_column", "batch_alter_table", "drop_table", "create_table"}


class Migrations:
    """Runs Alembic's commands on one connection."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def upgrade(self) -> None:
        """Build the schema of all revisions that exist.

        Raises:
            GeneratorError: one of them fails.
        """
        try:
            self._run(command.upgrade, "head")
        except DBAPIError as error:
            raise GeneratorError(
                f"The migrations fail on an empty database: {error.orig}; repair them first, or add --no-migration."
            ) from error

    def write(self, message: str) -> None:
        """Write a revision with what the models have and the database lacks, and try it up, down and up."""
        before = self._head()
        self._run(command.revision, message=message, autogenerate=True)
        self._run(command.upgrade, "head")
        self._run(command.downgrade, before or "base")
        self._run(command.upgrade, "head")
        self.check()

    def check(self) -> None:
        """Raise GeneratorError if the models differ from the database."""
        try:
            self._run(command.check)
        except CommandError:
            raise GeneratorError(
                "The models differ from the migrations: write what is missing with `quart db migrate` first."
            ) from None

    def _head(self) -> str | None:
        return ScriptDirectory.from_config(alembic_config()).get_current_head()

    def _run(self, run: Callable[..., object], *arguments: str, **options: Any) -> None:
        config = alembic_config()
        config.attributes["connection"] = self.connection
        with redirect_stdout(StringIO()):
            run(config, *arguments, **options)
        self.connection.rollback()


def check_single_head() -> None:
    """Raise GeneratorError if a new revision could not be the only newest one."""
    heads = ScriptDirectory.from_config(alembic_config()).get_heads()
    if len(heads) > 1:
        raise GeneratorError(
            f"There are several newest migrations, {', '.join(heads)}: join them with `quart db merge`."
        )


def revisions_of(table: str) -> list[Path] | None:
    """Return the newest revisions, back to the one that creates the table; None if one concerns something else.

    There are none if no revision creates the table.
    """
    found = []
    for script in ScriptDirectory.from_config(alembic_config()).walk_revisions():
        operations = _operations(script)
        found.append((Path(script.path), operations))
        if operations and ("create_table", table) in operations:
            concern_only_it = all(each and {name for _, name in each} == {table} for _, each in found)
            return [path for path, _ in found] if concern_only_it else None
    return []


def _operations(script: Script) -> set[tuple[str, str]] | None:
    """Return the operations of `upgrade()` with their tables, or None if one of them is not understood."""
    module = ast.parse(Path(script.path).read_text(encoding="utf-8"))
    upgrades = [node for node in module.body if isinstance(node, ast.FunctionDef) and node.name == "upgrade"]
    found = set()
    for node in (inner for upgrade in upgrades for inner in ast.walk(upgrade)):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="op"), attr=name), args=arguments) if name != "f":
                table = _table_of(name, arguments)
                if table is None:
                    return None
                found.add((name, table))
    return found


def _table_of(operation: str, arguments: list[ast.expr]) -> str | None:
    match operation, arguments:
        case "execute", [ast.Constant(value=str(statement))]:
            altered = _ALTERED.match(statement)
            return altered[1] if altered else None
        case name, [ast.Constant(value=str(table)), *_] if name in _COLUMN_OPERATIONS:
            return table
        case _, [_, ast.Constant(value=str(table)), *_]:
            return table
    return None
