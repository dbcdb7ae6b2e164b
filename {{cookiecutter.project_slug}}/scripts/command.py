"""Runs a command in the foreground and outlives it, for programs that have something to clear away afterwards."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence


class Command:
    """From here on Ctrl-C and SIGTERM end the command and not this process.

    Ctrl-C reaches the command from the terminal, as it reaches us; SIGTERM we pass on.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self.words = words
        self.process: subprocess.Popen[bytes] | None = None
        self.signal = 0
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            if number and signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._remember)

    def run(self, environment: Mapping[str, str]) -> int:
        """Returns its exit code, 128 + n if signal n ended it. After a signal it does not begin."""
        if self.signal:
            return 128 + self.signal
        with subprocess.Popen(self.words, env={**os.environ, **environment}) as self.process:
            if self.signal:  # came while it was beginning
                self.process.send_signal(self.signal)
        code = self.process.returncode
        return code if code >= 0 else 128 - code

    def _remember(self, number: int, _frame: object) -> None:
        self.signal = number
        if self.process and number == signal.SIGTERM:
            self.process.terminate()
