"""What the commands of the maintenance window do: switch it, wait until it is quiet, run something in it."""

import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import click

from src.dependency_container import DependencyContainer
from src.domain.service_context import ServiceContext
from src.infrastructure.databases.maintenance_drain import Look

STAYS_CLOSED = "The window stays closed: `quart deactivate_maintenance_mode` opens it"


class NotDrainedError(click.ClickException):
    exit_code = 3


async def switch(
    container: DependencyContainer, data: Mapping[str, Any], by: str, *, anew: bool = False
) -> tuple[ServiceContext, ServiceContext]:
    """What the window was before, and what it is now."""
    before = await container.service_context_repository().current()
    after = await container.service_context_service().change(data, by=by, anew=anew)
    click.echo(sentence(after, already=before.maintenance == after.maintenance))
    return before, after


def sentence(context: ServiceContext, *, already: bool = False) -> str:
    details = {"since": context.since, "expected end": context.expected_end, "message": context.message}
    given = [f"{name.capitalize()}: {value}." for name, value in details.items() if value is not None]
    state = f"{'already ' if already else ''}{'active' if context.maintenance else 'inactive'}"
    return " ".join([f"Maintenance mode is {state}.", *given])


async def drained(container: DependencyContainer, patience: float | None) -> None:
    """Returns when nothing from before the window is in flight, and says on stderr what it waits for.

    Raises:
        NotDrainedError: not within `patience` seconds (60), or somebody has opened the window meanwhile.
    """
    patience = 60.0 if patience is None else patience
    drain, said = container.maintenance_drain(), ""

    def tell(look: Look) -> None:
        nonlocal said
        if look.draining and said != str(look):
            said = str(look)
            click.echo(said, err=True)

    look = await drain.wait(patience, tell)
    if not look.closed:
        raise NotDrainedError("Somebody has opened the window meanwhile, so nothing is kept out.")
    if look.draining:
        places = ", ".join(worker.place or "one that does not answer" for worker in look.draining)
        raise NotDrainedError(
            f"Not drained: {look} after {patience:g} s: {places}. {STAYS_CLOSED}, or wait again with --wait."
        )
    seen = f"nothing from before is in flight in {look.workers} workers" if look.workers else "no worker is connected"
    unseen = "not verified, for here nobody sees what workers have in flight; by now all of them refuse"
    click.echo(f"Drained: {seen if drain.verifiable else unseen}.", err=True)


def run(command: Sequence[str]) -> None:
    """Returns when the command has ended with 0, and nobody wanted to stop it.

    Else ends this one with the same exit code, as a shell has it: 128 and the signal.
    """
    with _running(command) as (process, heard):
        code = process.wait()
    if heard:
        code = code or -heard[0]
    if code:
        code = code if code > 0 else 128 - code
        click.echo(f"The command {'was told to stop' if heard else 'failed'} ({code}). {STAYS_CLOSED}.", err=True)
        raise click.exceptions.Exit(code)


@contextmanager
def _running(command: Sequence[str]) -> Iterator[tuple[subprocess.Popen[bytes], list[int]]]:
    """With the signals heard meanwhile, which do not end us: we stay to say how it ended.

    Ctrl-C reaches it by the terminal, as it reaches us; SIGTERM is passed on.
    """
    heard: list[int] = []
    processes: list[subprocess.Popen[bytes]] = []

    def hear(number: int, _frame: object) -> None:
        heard.append(number)
        if number == signal.SIGTERM:
            for each in processes:
                each.terminate()

    before = {number: signal.signal(number, hear) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with subprocess.Popen(command) as process:  # noqa: S603 - the operator's own
            processes.append(process)
            yield process, heard
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


async def open_again(container: DependencyContainer, before: ServiceContext, ours: ServiceContext, by: str) -> None:
    """Opens what this command has closed `anew`, unless somebody else has changed it since: they may count on it."""
    now = await container.service_context_repository().current()
    if now.maintenance and before.maintenance:
        click.echo(f"It was closed before this command. {STAYS_CLOSED}.", err=True)
    elif now.maintenance and not (before.version + 1 == ours.version == now.version):
        click.echo(f"Somebody has changed the window meanwhile. {STAYS_CLOSED}.", err=True)
    else:
        await switch(container, {"maintenance": False}, by)
