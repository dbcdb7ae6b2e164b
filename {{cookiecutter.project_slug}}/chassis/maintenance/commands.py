"""The maintenance window from the command line; no server needs to be running, and none is started."""

import getpass
import json
import os
import re
import shutil
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import click
from quart import Quart

from chassis.cli.command import AsyncCommand
from chassis.maintenance.service_context import ServiceContext
from chassis.maintenance.window import WindowOperator, describe_window, run_in_window

_DURATION = re.compile(  # six digits keep every end before the year 10000
    r"(?:(?P<days>\d{1,6})d)?(?:(?P<hours>\d{1,6})h)?(?:(?P<minutes>\d{1,6})m)?(?:(?P<seconds>\d{1,6})s)?"
)
Function = Any  # what click decorates
Parameter = click.Parameter | None
Context = click.Context | None


class Duration(click.ParamType[timedelta]):
    name = "duration"

    def convert(self, value: str, param: Parameter, ctx: Context) -> timedelta:
        match = _DURATION.fullmatch(value)
        duration = timedelta(**{unit: int(number) for unit, number in match.groupdict(0).items()}) if match else None
        if not duration:
            self.fail(f"{value!r} is not a duration, expected for instance 30m, 1h30m or 2d", param, ctx)
        return duration


class Time(click.ParamType[datetime]):
    name = "time"

    def convert(self, value: str, param: Parameter, ctx: Context) -> datetime:
        try:
            time = datetime.fromisoformat(value)
        except ValueError:
            time = None
        if time is None or time.tzinfo is None:
            self.fail(f"{value!r} is not a time with an offset, expected for instance 2026-01-31T22:00:00Z", param, ctx)
        return time


def register_maintenance_commands(app: Quart, create_operator: Callable[[], WindowOperator]) -> None:
    for register in (_register_activate, _register_deactivate, _register_status, _register_with):
        register(app, create_operator)


def _register_activate(app: Quart, create_operator: Callable[[], WindowOperator]) -> None:
    @app.cli.command("activate_maintenance_mode", cls=AsyncCommand)
    @_window_options
    @_by_option
    @click.option("--wait", is_flag=True, help="Return when nothing from before is in flight in any worker.")
    @_timeout_option
    async def _activate(by: str, wait: bool, seconds: float | None, **window: Any) -> None:  # noqa: FBT001 - click passes it by name
        """Make all instances answer 503."""
        if seconds is not None and not wait:
            msg = "--timeout is for --wait."
            raise click.UsageError(msg)
        async with create_operator() as operator:
            await operator.switch(_activation(**window), by)
            if wait:
                await operator.wait_until_drained(seconds)


def _register_deactivate(app: Quart, create_operator: Callable[[], WindowOperator]) -> None:
    @app.cli.command("deactivate_maintenance_mode", cls=AsyncCommand)
    @_by_option
    async def _deactivate(by: str) -> None:
        """Let all instances serve again."""
        async with create_operator() as operator:
            await operator.switch({"maintenance": False}, by)


def _register_status(app: Quart, create_operator: Callable[[], WindowOperator]) -> None:
    @app.cli.command("maintenance_status", cls=AsyncCommand)
    @click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
    async def _status(as_json: bool) -> None:  # noqa: FBT001 - click passes it by name
        """Show whether the maintenance window is active."""
        async with create_operator() as operator:
            context = await operator.read()
        click.echo(_to_json(context) if as_json else describe_window(context))


def _register_with(app: Quart, create_operator: Callable[[], WindowOperator]) -> None:
    options_first = {"allow_interspersed_args": False}

    @app.cli.command("with_maintenance_mode", cls=AsyncCommand, context_settings=options_first)
    @_window_options
    @_by_option
    @_timeout_option
    @click.argument("command", nargs=-1, required=True, callback=_require_executable)
    async def _with(by: str, seconds: float | None, command: tuple[str, ...], **window: Any) -> None:
        """Activate, wait until nothing is in flight, run COMMAND, and deactivate if it exits with 0."""
        async with create_operator() as operator:
            before, after = await operator.switch(_activation(**window), by, force=True)
            await operator.wait_until_drained(seconds)
        run_in_window(command)
        async with create_operator() as operator:
            await operator.end_own_window(before, after, by=by)


def _by_option(function: Function) -> Function:
    return click.option("--by", default=operator_name, help="Your name, by default user@host.")(function)


def _timeout_option(function: Function) -> Function:
    return click.option("--timeout", "seconds", type=click.FloatRange(0), help="Seconds to wait (60).")(function)


def _window_options(function: Function) -> Function:
    function = click.option("--until", type=Time(), help="The expected end: 2026-01-31T22:00:00Z.")(function)
    function = click.option("--duration", type=Duration(), help="The expected duration: 30m, 1h30m, 2d.")(function)
    return click.option("--message", help="A message for clients.")(function)


def _activation(message: str | None, duration: timedelta | None, until: datetime | None) -> dict[str, Any]:
    if duration and until:
        msg = "Give --duration or --until, not both."
        raise click.UsageError(msg)
    options = {"message": message, "expected_end": datetime.now(UTC) + duration if duration else until}
    return {"maintenance": True, **{name: value for name, value in options.items() if value is not None}}


def _require_executable(
    _context: click.Context, _parameter: click.Parameter, command: tuple[str, ...]
) -> tuple[str, ...]:
    """Refuse a command that cannot be run before the window is activated for it."""
    if shutil.which(command[0]) is None:
        msg = f"{command[0]!r} cannot be run."
        raise click.BadParameter(msg)
    return command


def _to_json(context: ServiceContext) -> str:
    return json.dumps(
        {
            "maintenance": context.maintenance,
            "message": context.message,
            "expected_end": context.expected_end and context.expected_end.isoformat(),
            "since": context.since and context.since.isoformat(),
            "version": context.version,
        }
    )


def operator_name() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # the user of a container has no name; KeyError up to Python 3.12
        user = f"uid {os.getuid()}"
    return f"{user}@{socket.gethostname()}"
