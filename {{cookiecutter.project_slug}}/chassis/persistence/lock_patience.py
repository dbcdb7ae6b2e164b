"""A migration waits for a lock briefly, because requests wait behind it, and tries again many times."""

import logging
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass

from alembic.util import CommandError
from sqlalchemy import Connection

from chassis.persistence.migration_lock import sleep

DEFAULTS = {"lock_timeout": "2s", "lock_wait": "60s"}
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 8.0  # seconds
MILLISECONDS = {"": 1, "ms": 1, "s": 1_000, "min": 60_000, "h": 3_600_000}  # the units of PostgreSQL
MAX_TIMEOUT = 2**31 - 1  # milliseconds that PostgreSQL accepts
LOCK_FAILURES = ("55P03", "40P01")  # not available in time, deadlock

log = logging.getLogger("alembic.env")


def is_lock_failure(error: BaseException | None) -> bool:
    return getattr(error, "sqlstate", None) in LOCK_FAILURES


@dataclass(frozen=True)
class LockLimits:
    """Limits in milliseconds: `timeout` for one attempt to get a lock, or 0, and `wait` for all attempts together."""

    timeout: int
    wait: int

    @classmethod
    def from_arguments(cls, arguments: Mapping[str, str]) -> "LockLimits":
        """Read `lock_timeout` and `lock_wait`, which are written as PostgreSQL writes times: 500ms, 60s, 5min.

        Raises:
            CommandError: one of them is not a time.
        """
        timeout, wait = (_milliseconds(name, arguments.get(name, default)) for name, default in DEFAULTS.items())
        return cls(timeout, wait)

    @property
    def settings(self) -> dict[str, str]:
        """Return settings of PostgreSQL for a migration, which may compute for as long as it needs."""
        return {
            "lock_timeout": f"{self.timeout}ms",
            "statement_timeout": "0",
            "idle_in_transaction_session_timeout": "0",
        }

    @property
    def longest(self) -> str:
        """Return the lock timeout for statements behind which nobody waits."""
        return f"{min(max(self.timeout, self.wait), MAX_TIMEOUT) if self.timeout else 0}ms"


class LockPatience:
    """Pauses between attempts, each time twice as long, until the time is over that began with the first failure."""

    def __init__(self, connection: Connection, limits: LockLimits) -> None:
        self.limits = limits
        self._connection = connection
        self._deadline: float | None = None
        self._failures = 0

    def give_way(self, error: BaseException, consequence: str = "") -> None:
        """Let other sessions work until the next attempt.

        Raises:
            CommandError: the time is over; the message includes the consequence.
        """
        now = time.monotonic()
        if self._deadline is None:
            self._deadline = now + self.limits.wait / 1000
        self._failures += 1
        remaining = self._deadline - now
        if remaining <= 0:
            msg = (
                f"Another session holds a lock that is needed (attempts: {self._failures}, within "
                f"{self.limits.wait / 1000:g} s): try again later, or for longer with -x lock_wait=10min."
            )
            raise CommandError(f"{msg} {consequence}".rstrip()) from error
        pause = min(FIRST_PAUSE * 2 ** (self._failures - 1), LONGEST_PAUSE, remaining)
        log.info(
            "Another session holds a lock that is needed (attempt %d): trying again in %.1f s, for %.0f s at most",
            *(self._failures, pause, remaining),
        )
        sleep(self._connection, pause)


def _milliseconds(name: str, text: str) -> int:
    found = re.fullmatch(r"(\d+) *([a-z]*)", text)
    if found is None or found[2] not in MILLISECONDS:
        msg = f"-x {name}={text} is not a time: write it as 500ms, 60s or 5min."
        raise CommandError(msg)
    return int(found[1]) * MILLISECONDS[found[2]]
