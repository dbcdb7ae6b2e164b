"""The maintenance window from the command line; no server need be running, and none is started."""

import getpass
import json
import os
import re
import socket
from datetime import UTC, datetime, timedelta
from typing import Any

import click
from quart import Quart

from src.command_line import Command
from src.dependency_container import DependencyContainer
from src.domain.service_context import ServiceContext

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
    by = click.option("--by", default=operator, help="Who switches; by default user@host.")

    @app.cli.command("activate_maintenance_mode", cls=Command)
    @click.option("--message", help="What clients are told.")
    @click.option("--duration", type=Duration(), help="How long it will take: 30m, 1h30m, 2d.")
    @click.option("--until", type=Moment(), help="When it will be over: 2026-01-31T22:00:00Z.")
    @by
    async def _activate(message: str | None, duration: timedelta | None, until: datetime | None, by: str) -> None:
        """Make all instances answer 503."""
        if duration and until:
            msg = "Give --duration or --until, not both."
            raise click.UsageError(msg)
        expected_end = datetime.now(UTC) + duration if duration else until
        given = {"message": message, "expected_end": expected_end}
        await _switch(container, {"maintenance": True, **{k: v for k, v in given.items() if v is not None}}, by)

    @app.cli.command("deactivate_maintenance_mode", cls=Command)
    @by
    async def _deactivate(by: str) -> None:
        """Let all instances serve again."""
        await _switch(container, {"maintenance": False}, by)

    @app.cli.command("maintenance_status", cls=Command)
    @click.option("--json", "as_json", is_flag=True, help="For programs.")
    async def _status(as_json: bool) -> None:  # noqa: FBT001 - click passes it by name
        """Show whether the maintenance window is open."""
        context = await _within(container, container.service_context_repository().current())
        click.echo(_json(context) if as_json else _sentence(context))


async def _switch(container: DependencyContainer, data: dict[str, Any], by: str) -> None:
    repository, service = container.service_context_repository(), container.service_context_service()

    async def switch() -> tuple[ServiceContext, ServiceContext]:
        return await repository.current(), await service.change(data, by=by)

    before, after = await _within(container, switch())
    already = "already " if before.maintenance == after.maintenance else ""
    click.echo(
        f"Maintenance mode is {already}{'active' if after.maintenance else 'inactive'}. {_details(after)}".strip()
    )


async def _within(container: DependencyContainer, work: Any) -> Any:  # noqa: ANN401
    """The engine belongs to the event loop of this command."""
    try:
        return await work
    finally:
        await container.database().close()


def _sentence(context: ServiceContext) -> str:
    return f"Maintenance mode is {'active' if context.maintenance else 'inactive'}. {_details(context)}".strip()


def _details(context: ServiceContext) -> str:
    details = {"since": context.since, "expected end": context.expected_end, "message": context.message}
    return " ".join(f"{name.capitalize()}: {value}." for name, value in details.items() if value is not None)


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
