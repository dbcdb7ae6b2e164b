"""A client that reads nothing must not hold its connection, and the task that writes to it, forever."""

import asyncio

STALLED_SECONDS = 30.0


class StallGuard:
    """Aborts a connection if its client takes nothing for `STALLED_SECONDS`, or for twice as long at most."""

    def __init__(self, transport: asyncio.WriteTransport) -> None:
        self._transport = transport
        self._written = 0
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, new_bytes: int = 0) -> None:
        """Call this before each write, and when the connection is being closed."""
        waiting = self._transport.get_write_buffer_size()
        if self._timer is None:
            taken = self._written - waiting if waiting else None
            self._timer = asyncio.get_running_loop().call_later(STALLED_SECONDS, self._check, taken)
        self._written += new_bytes

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _check(self, taken_before: int | None) -> None:
        self._timer = None
        waiting = self._transport.get_write_buffer_size()
        if waiting and self._written - waiting == taken_before:
            self._transport.abort()
        elif waiting:
            self.watch()
