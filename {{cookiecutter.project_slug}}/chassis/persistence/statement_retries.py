"""Statements in and after an `autocommit_block()` are repeated singly, because their revision cannot be repeated."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from alembic.util import CommandError
from sqlalchemy import Connection, event
from sqlalchemy.engine.interfaces import DBAPICursor, ExecutionContext

from chassis.persistence.lock_patience import LockPatience, is_lock_failure

EVENTS = ("do_execute", "do_executemany")
HALFWAY = "The last revision has stopped halfway: everything up to its autocommit_block() is committed."
INVALID_INDEXES = """
SELECT string_agg(indexrelid::regclass::text, ', ') FROM pg_index WHERE NOT indisvalid
"""


class StatementRetries:
    """Repeats a statement that cannot get a lock, while `applies` returns true.

    CONCURRENTLY makes nobody wait, but waits itself for the transactions of others, and leaves an invalid index if it
    fails. So such a statement has one attempt, for as long as all attempts of another one.
    """

    def __init__(self, connection: Connection, patience: LockPatience, applies: Callable[[], bool]) -> None:
        self._connection = connection
        self._patience = patience
        self._applies = applies

    @contextmanager
    def enabled(self) -> Iterator[None]:
        """Execute the statements of the connection, on SQLAlchemy's events."""
        dialect = self._connection.dialect
        listeners = [(name, partial(self._handle, getattr(dialect, name))) for name in EVENTS]
        for name, listener in listeners:
            event.listen(dialect, name, listener)
        try:
            yield
        finally:
            for name, listener in listeners:
                event.remove(dialect, name, listener)

    def _handle(
        self,
        execute: Callable[..., None],
        cursor: DBAPICursor,
        statement: str,
        parameters: object,
        context: ExecutionContext,
    ) -> bool:
        """Return whether the statement was executed here."""
        if context.root_connection is not self._connection or not self._applies():
            return False
        call = partial(execute, cursor, statement, parameters, context)
        options = self._connection.get_execution_options()
        if options.get("isolation_level") != "AUTOCOMMIT":
            self._repeat(partial(self._in_savepoint, call))
        elif "CONCURRENTLY" in statement.upper():
            self._execute_patiently(call)
        else:
            self._repeat(call)
        return True

    def _repeat(self, call: Callable[[], None]) -> None:
        while True:
            try:
                return call()
            except Exception as error:
                if not is_lock_failure(error):
                    raise
                self._patience.give_way(error, HALFWAY)

    def _in_savepoint(self, call: Callable[[], None]) -> None:
        """Fail without ending the transaction, which holds what the revision did after the block."""
        self._send("SAVEPOINT before_statement")
        try:
            call()
        except Exception as error:
            if is_lock_failure(error):
                self._send("ROLLBACK TO SAVEPOINT before_statement")
            raise
        self._send("RELEASE SAVEPOINT before_statement")

    def _execute_patiently(self, call: Callable[[], None]) -> None:
        limits = self._patience.limits
        self._send(f"SET lock_timeout = '{limits.longest}'")
        try:
            call()
        except Exception as error:
            if not is_lock_failure(error):
                raise
            ((indexes,),) = self._send(INVALID_INDEXES)
            msg = (
                f"CONCURRENTLY waited in vain for other transactions, {limits.longest} at most: try again when they "
                "have ended, or with -x lock_wait=10min. "
                f"{HALFWAY} Drop the indexes that are invalid: {indexes or 'none'}."
            )
            raise CommandError(msg) from error
        self._send(f"SET lock_timeout = '{limits.settings['lock_timeout']}'")

    def _send(self, statement: str) -> list[Any]:
        cursor = self._connection.connection.cursor()
        cursor.execute(statement)
        rows = list(cursor.fetchall()) if cursor.description else []
        cursor.close()
        return rows
