"""A migration that cannot get a lock gives way to the requests that wait behind it, and tries again."""

import re
from collections.abc import Callable
from typing import Any

from alembic import context
from alembic.util import CommandError
from sqlalchemy import Connection, Transaction
from sqlalchemy.exc import DBAPIError

from chassis.persistence.lock_patience import LockLimits, LockPatience, is_lock_failure
from chassis.persistence.statement_retries import StatementRetries

RELATIVE = re.compile(r"(^|@)[+-]\d+$")


class LockRetries:
    """Runs the revisions of a command until all of them are done.

    They run in one transaction; if a lock is not available, it is rolled back and all of them run again.
    A revision with an `autocommit_block()` commits what was done before the block, which cannot run twice: from there
    on single statements are repeated, and its end is committed with its number, so that later attempts begin after it.
    """

    def __init__(self, connection: Connection, limits: LockLimits) -> None:
        self._connection = connection
        self._patience = LockPatience(connection, limits)
        self._statements = StatementRetries(connection, self._patience, self._is_divided)
        self._beginning: Transaction | None = None  # the transaction in which the current revision began
        self._has_committed = False

    def run(self, prepare: Callable[[], None] = lambda: None) -> None:
        """Run all revisions; each attempt calls `prepare` first.

        Raises:
            CommandError: a lock was not available in time.
        """
        with self._statements.enabled():
            while not self._attempt(prepare):
                pass

    def finish_revision(self, ctx: Any, **_arguments: Any) -> None:  # noqa: ANN401 - Alembic's `on_version_apply`
        """Commit the number of a revision that has committed a part of itself."""
        if self._beginning is not None and self._is_divided():
            with ctx.autocommit_block():
                self._has_committed = True
            self._beginning = self._connection.get_transaction()

    def _attempt(self, prepare: Callable[[], None]) -> bool:
        try:
            prepare()
            with context.begin_transaction():
                self._beginning = self._connection.get_transaction()
                context.run_migrations()
        except DBAPIError as error:
            if not is_lock_failure(error.orig):
                raise
            self._require_same_destination(error)
            self._patience.give_way(error)
            return False
        return True

    def _require_same_destination(self, error: DBAPIError) -> None:
        """Refuse to count relative steps again, from the revision that the first of them has reached."""
        if self._has_committed and RELATIVE.search(str(context.get_context().opts["destination_rev"])):
            msg = "A lock was not available, and not all revisions are done: `quart db current` shows the last one."
            raise CommandError(msg) from error

    def _is_divided(self) -> bool:
        """Return whether the current revision is in another transaction than the one in which it began."""
        return self._connection.get_transaction() is not self._beginning
