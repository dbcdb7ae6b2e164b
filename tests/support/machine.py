"""Locks between all pytest processes that test this clone, for example the workers of pytest-xdist."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from support.template import BUILD


@contextmanager
def hold_lock(name: str, *, exclusive: bool = True) -> Iterator[int]:
    """Hold the lock of this name, shared or exclusively; yields the file descriptor that holds it."""
    BUILD.mkdir(exist_ok=True)
    with (BUILD / f"{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
        yield file.fileno()


def unlock(descriptor: int) -> None:
    """Release a lock before the end of its `with` block."""
    fcntl.flock(descriptor, fcntl.LOCK_UN)
