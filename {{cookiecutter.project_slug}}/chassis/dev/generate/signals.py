"""A signal ends a command as an error does, so that the command removes its folders and stops its processes."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

NAMES = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows lacks the last one


@contextmanager
def exit_on_signals() -> Iterator[None]:
    """Inside the block, the first signal raises SystemExit with 128 + its number.

    Others are ignored, because they would interrupt the blocks that clean up.
    """
    numbers = [getattr(signal, name) for name in NAMES if hasattr(signal, name)]
    handlers = {number: signal.getsignal(number) for number in numbers}

    def end(number: int, _frame: object) -> None:
        for each in handlers:
            signal.signal(each, signal.SIG_IGN)
        sys.exit(128 + number)

    for number, handler in handlers.items():
        if handler != signal.SIG_IGN:  # as nohup does with SIGHUP
            signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
