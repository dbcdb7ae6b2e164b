"""Operations on the maintenance window: switch it, wait until it is quiet, run a command in it."""

from collections.abc import Awaitable, Callable, Sequence
from time import monotonic
from types import TracebackType
from typing import Self

import click

from chassis.cli.child_process import ChildProcess
from chassis.domain.ports import Params
from chassis.maintenance.drain import DrainStatus, MaintenanceDrain
from chassis.maintenance.service import ServiceContextService
from chassis.maintenance.service_context import ServiceContext, ServiceContextStore

STAYS_ACTIVE = "The window stays active: `quart deactivate_maintenance_mode` ends it"
DEFAULT_TIMEOUT = 60.0  # seconds
REPORT_SECONDS = 10.0


class NotDrainedError(click.ClickException):
    exit_code = 3


class WindowOperator:
    """Works inside its `async with` block, which closes the database: an engine belongs to one event loop."""

    def __init__(
        self,
        service: ServiceContextService,
        store: ServiceContextStore,
        drain: MaintenanceDrain,
        close: Callable[[], Awaitable[None]],
    ) -> None:
        self._service = service
        self._store = store
        self._drain = drain
        self._close = close

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._close()

    async def read(self) -> ServiceContext:
        return await self._store.read()

    async def switch(self, data: Params, by: str, *, force: bool = False) -> tuple[ServiceContext, ServiceContext]:
        """Change the window; return it as it was before and as it is now."""
        before = await self._store.read()
        after = await self._service.change(data, by=by, force=force)
        click.echo(describe_window(after, unchanged=before.maintenance == after.maintenance))
        return before, after

    async def wait_until_drained(self, seconds: float | None) -> None:
        """Return when nothing from before the window is in flight; progress is reported on stderr.

        Raises:
            NotDrainedError: after `seconds` (60 by default), or if somebody has deactivated the window meanwhile.
        """
        seconds = DEFAULT_TIMEOUT if seconds is None else seconds
        status = await self._drain.wait(seconds, DrainReport().show)
        if not status.active:
            raise NotDrainedError("Somebody has deactivated the window meanwhile, so clients are served again.")
        if status.draining:
            places = ", ".join(worker.place or "one that does not answer" for worker in status.draining)
            raise NotDrainedError(
                f"Not drained after {seconds:g} s: {describe_drain(status)}: {places}. "
                f'The log of each says what it waits for, as "still in flight". '
                f"{STAYS_ACTIVE}, or wait again with --wait."
            )
        click.echo(f"Drained: {self._describe_quiet(status)}.", err=True)

    async def end_own_window(self, before: ServiceContext, after: ServiceContext, by: str) -> None:
        """Deactivate the window that `switch(…, force=True)` activated, unless others may count on it.

        `before` and `after` are its results. Others may count on the window if it was active before, or if somebody
        has changed it since.
        """
        now = await self._store.read()
        if now.maintenance and before.maintenance:
            click.echo(f"The window was active before this command. {STAYS_ACTIVE}.", err=True)
        elif now.maintenance and not (before.version + 1 == after.version == now.version):
            click.echo(f"Somebody has changed the window meanwhile. {STAYS_ACTIVE}.", err=True)
        else:
            await self.switch({"maintenance": False}, by)

    def _describe_quiet(self, status: DrainStatus) -> str:
        if not self._drain.is_verifiable:
            return "not verified, because requests in flight are not visible here; by now all workers refuse new ones"
        if not status.workers:
            return "no worker is connected"
        return f"nothing from before is in flight in {status.workers} workers"


class DrainReport:
    """Shows the progress of a drain when it changes, and otherwise from time to time."""

    def __init__(self) -> None:
        self._shown = ""
        self._due = 0.0

    def show(self, status: DrainStatus) -> None:
        now = monotonic()
        if status.draining and (self._shown != str(status) or now >= self._due):
            self._shown, self._due = str(status), now + REPORT_SECONDS
            click.echo(describe_drain(status), err=True)


def describe_drain(status: DrainStatus) -> str:
    return f"{status}, the oldest for {status.oldest_seconds} s" if status.oldest_seconds else str(status)


def run_in_window(command: Sequence[str]) -> None:
    """Return if the command has exited with 0 and nobody wanted to stop it.

    Otherwise exit with its code, or as a shell does after a signal: with 128 plus its number.
    """
    with ChildProcess(command) as child:
        code = child.run()
    if child.signal:
        code = code or 128 + child.signal
    if code:
        reason = "was told to stop" if child.signal else "failed"
        click.echo(f"The command {reason} ({code}). {STAYS_ACTIVE}.", err=True)
        raise click.exceptions.Exit(code)


def describe_window(context: ServiceContext, *, unchanged: bool = False) -> str:
    details = {"since": context.since, "expected end": context.expected_end, "message": context.message}
    known = [f"{name.capitalize()}: {value}." for name, value in details.items() if value is not None]
    state = f"{'already ' if unchanged else ''}{'active' if context.maintenance else 'inactive'}"
    return " ".join([f"Maintenance mode is {state}.", *known])
