"""Waiting for a condition, as other processes change the world at their own pace."""

import time
from collections.abc import Callable


def wait_until(condition: Callable[[], bool], seconds: float = 30.0) -> float:
    """Return how long it took until the condition held, in seconds; raises TimeoutError if it does not hold in time."""
    started = time.monotonic()
    while not condition():
        if time.monotonic() - started > seconds:
            raise TimeoutError(f"not within {seconds} s")
        time.sleep(0.005)
    return time.monotonic() - started
