"""What Hypercorn 0.18 does not do for its worker processes; with `workers = 0` there are none, and nothing here acts.

Imports nothing of the service, so that it is there when the rest cannot be imported.
"""

import atexit
import multiprocessing
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Any


def fail_with_master() -> None:
    """Until `started` is called the end of this worker is the end of its master, which would exit with 0.

    The master is ended by SIGUSR1, so a shell sees 138; only as process 1 of a container it does not hear it.
    """
    if _shutdown_event() is not None:
        atexit.register(_end_master)


def started() -> None:
    atexit.unregister(_end_master)


def follow_master(begin: Callable[[], None], over: Callable[[], bool]) -> bool:
    """Whether this is a worker: `begin` is called when it is to stop or its master is dead, it serves until `over`."""
    event, master = _shutdown_event(), multiprocessing.parent_process()
    if event is None or master is None:
        return False
    told = event.is_set

    def is_set() -> bool:  # Hypercorn asks ten times a second
        if told() or not master.is_alive():
            begin()
        return over()

    event.is_set = is_set
    return True


def _shutdown_event() -> Any:  # noqa: ANN401 - a multiprocessing.Event, seen from inside
    """What the master of Hypercorn sets to stop its workers; None elsewhere, and there the server does it all itself.

    Hypercorn tells its application nothing of this: the event is found among the arguments of the process.
    """
    return getattr(multiprocessing.current_process(), "_kwargs", {}).get("shutdown_event")


def _end_master() -> None:
    master = multiprocessing.parent_process()
    if master is not None and master.pid is not None:
        with suppress(ProcessLookupError):
            os.kill(master.pid, getattr(signal, "SIGUSR1", signal.SIGTERM))
