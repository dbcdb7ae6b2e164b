"""The maintenance window from the command line; no server need be running, and none is started."""

import getpass
import json
import os
import re
import shutil
import socket
from datetime import UTC, datetime, timedelta
from typing import Any

import click
from quart import Quart

from src.command_line import Command
from src.dependency_container import DependencyContainer
from src.domain.service_context import ServiceContext
from src.maintenance_window import drained, open_again, run, sentence, switch

_DURATION = re.compile(  # with so many digits no end is beyond the year 9999
    r"(?:(?P<days>\d{1,6})d)?(?:(?P<hours>\d{1,6})h)?(?:(?P<minutes>\d{1,6})m)?(?:(?P<seconds>\d{1,6})s)?"
)


class Duration(click.ParamType[timedelta]):
    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:  # noqa: ANN401
        match = _DURATION.fullmatch(value)
        duration = timedelta(**{unit: int(number) for unit, number in match.groupdict(0).items()}) if match else None
        if not duration:
            self.fail(f"{value!r} is no duration, expected for instance 30m, 1h30m or 2d", param, ctx)
        return duration


class Moment(click.ParamType[datetime]):
    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:  # noqa: ANN401
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None:
            self.fail(f"{value!r} is no time with an offset, expected for instance 2026-01-31T22:00:00Z", param, ctx)
        return moment


def register_maintenance_commands(app: Quart, container: DependencyContainer) -> None:
    _register_switch(app, container)
    _register_window(app, container)

    @app.cli.command("maintenance_status", cls=Command)
    @click.option("--json", "as_json", is_flag=True, help="For programs.")
    async def _status(as_json: bool) -> None:  # noqa: FBT001 - click passes it by name
        """Show whether the maintenance window is open."""
        context = await _within(container, container.service_context_repository().current())
        click.echo(_json(context) if as_json else sentence(context))


def _register_switch(app: Quart, container: DependencyContainer) -> None:
    @app.cli.command("activate_maintenance_mode", cls=Command)
    @_window_options
    @_by
    @click.option("--wait", is_flag=True, help="Return when nothing from before is in flight in any worker.")
    @_timeout
    async def _activate(by: str, wait: bool, patience: float | None, **window: Any) -> None:  # noqa: FBT001
        """Make all instances answer 503."""
        if patience is not None and not wait:
            msg = "--timeout is for --wait."
            raise click.UsageError(msg)
        await _within(container, switch(container, _values(**window), by))
        if wait:
            await _within(container, drained(container, patience))

    @app.cli.command("deactivate_maintenance_mode", cls=Command)
    @_by
    async def _deactivate(by: str) -> None:
        """Let all instances serve again."""
        await _within(container, switch(container, {"maintenance": False}, by))


def _register_window(app: Quart, container: DependencyContainer) -> None:
    @app.cli.command("with_maintenance_mode", cls=Command, context_settings={"allow_interspersed_args": False})
    @_window_options
    @_by
    @_timeout
    @click.argument("command", nargs=-1, required=True, callback=_executable)
    async def _with(by: str, patience: float | None, command: tuple[str, ...], **window: Any) -> None:
        """Activate, wait until nothing is in flight, run COMMAND, and deactivate if that exits with 0."""
        before, ours = await _within(container, switch(container, _values(**window), by, anew=True))
        await _within(container, drained(container, patience))
        run(command)
        await _within(container, open_again(container, before, ours, by=by))


def _by(function: Any) -> Any:  # noqa: ANN401 - what click decorates
    return click.option("--by", default=operator, help="Who switches; by default user@host.")(function)


def _timeout(function: Any) -> Any:  # noqa: ANN401
    return click.option("--timeout", "patience", type=click.FloatRange(0), help="Seconds to wait; 60.")(function)


def _window_options(function: Any) -> Any:  # noqa: ANN401
    function = click.option("--until", type=Moment(), help="When it will be over: 2026-01-31T22:00:00Z.")(function)
    function = click.option("--duration", type=Duration(), help="How long it will take: 30m, 1h30m, 2d.")(function)
    return click.option("--message", help="What clients are told.")(function)


def _values(message: str | None, duration: timedelta | None, until: datetime | None) -> dict[str, Any]:
    if duration and until:
        msg = "Give --duration or --until, not both."
        raise click.UsageError(msg)
    given = {"message": message, "expected_end": datetime.now(UTC) + duration if duration else until}
    return {"maintenance": True, **{name: value for name, value in given.items() if value is not None}}


def _executable(_context: click.Context, _parameter: click.Parameter, command: tuple[str, ...]) -> tuple[str, ...]:
    """Nothing is closed for what cannot be run."""
    if shutil.which(command[0]) is None:
        msg = f"{command[0]!r} cannot be run."
        raise click.BadParameter(msg)
    return command


async def _within(container: DependencyContainer, work: Any) -> Any:  # noqa: ANN401
    """The engine belongs to the event loop of this command."""
    try:
        return await work
    finally:
        await container.database().close()


def _json(context: ServiceContext) -> str:
    return json.dumps(
        {
            "maintenance": context.maintenance,
            "message": context.message,
            "expected_end": context.expected_end and context.expected_end.isoformat(),
            "since": context.since and context.since.isoformat(),
            "version": context.version,
        }
    )


def operator() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # the user of a container has no name; KeyError up to Python 3.12
        user = f"uid {os.getuid()}"
    return f"{user}@{socket.gethostname()}"
