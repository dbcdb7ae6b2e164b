"""A program runs another one in the foreground and outlives it, to report or clean up afterwards."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

NO_VARIABLES: Mapping[str, str] = {}
WAKE_SECONDS = 1.0  # any value: such a wait looks at the child every 50 ms


class ChildProcess:
    """Inside the block, Ctrl-C, SIGTERM and SIGHUP end the child and not this process.

    Ctrl-C and a hang-up reach the child from the terminal, as they reach this process; SIGTERM is passed on.
    `signal` is the first one that was received, or 0.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self.command = command
        self.signal = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._received_early: list[int] = []  # while the child was starting
        self._handlers: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            if number and signal.getsignal(number) != signal.SIG_IGN:
                self._handlers[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def run(self, variables: Mapping[str, str] = NO_VARIABLES) -> int:
        """Return the exit code, 128 + n if signal n ended the child; after a signal it is not started at all."""
        if self.signal:
            return 128 + self.signal
        with subprocess.Popen(self.command, env={**os.environ, **variables}) as self._process:  # noqa: S603 - the operator's own command
            for number in self._received_early:  # a terminal may have reached the child, or may have been too early
                self._process.send_signal(number)
            code = _wait(self._process)
        return code if code >= 0 else 128 - code

    def _handle(self, number: int, _frame: object) -> None:
        self.signal = self.signal or number
        if self._process is None:
            self._received_early.append(number)
        elif number == signal.SIGTERM:
            self._process.terminate()


def _wait(process: subprocess.Popen[bytes]) -> int:
    """Return the exit code.

    Python handles a signal between two steps of the main thread: one that arrives when a wait without an end is about
    to begin would be handled only after it. A wait with a time limit consists of many short ones.
    """
    while True:
        with suppress(subprocess.TimeoutExpired):
            return process.wait(WAKE_SECONDS)
