"""`quart db` has the commands and options of Flask-Migrate; each runs Alembic's own function."""

import logging
import warnings
from argparse import Namespace
from collections.abc import Callable
from functools import partial
from inspect import signature
from pathlib import Path
from typing import Any

import click
from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.operations import MigrationScript
from alembic.util import CommandError
from click import Argument, Option
from sqlalchemy import URL

from chassis.cli.command import AsyncCommand
from chassis.cli.offline import NO_DATABASE, NOT_SET
from chassis.persistence.migrations import MIGRATIONS, alembic_config, create_migrations

_COMMON_OPTIONS = (
    Option(
        ["-d", "--directory"],
        type=click.Path(path_type=Path),
        default=MIGRATIONS,
        help="The directory of the migrations.",
    ),
    Option(["-x", "--x-arg"], multiple=True, help="An argument for env.py: lock_timeout=2s, lock_wait=60s."),
)

_PARAMETERS: dict[str, click.Parameter] = {  # by the names of the parameters of Alembic's functions
    "rev": Argument(["rev"], metavar="[REVISION]", default="head"),
    "revision": Argument(["revision"], metavar="[REVISION]", default="head"),
    "down_to": Argument(["down_to"], metavar="[REVISION]", default="-1"),
    "revisions": Argument(["revisions"], nargs=-1, callback=lambda _context, _parameter, value: value or ("heads",)),
    "message": Option(["-m", "--message"], help="What the revision does."),
    "autogenerate": Option(["--autogenerate"], is_flag=True, help="The same as `migrate`."),
    "sql": Option(["--sql"], is_flag=True, help="Print the SQL instead of executing it."),
    "head": Option(["--head"], default="head", help="The revision to build upon, or <branch>@head."),
    "splice": Option(["--splice"], is_flag=True, help="Build upon a revision that is not a head."),
    "branch_label": Option(["--branch-label"], help="A name for the branch that begins with it."),
    "version_path": Option(["--version-path"], help="The directory to write to."),
    "rev_id": Option(["--rev-id"], help="The id of the revision, instead of a random one."),
    "depends_on": Option(["--depends-on"], multiple=True, help="A revision that must run before it."),
    "tag": Option(["--tag"], help="Any text, for env.py."),
    "rev_range": Option(["-r", "--rev-range"], help="[start]:[end]"),
    "verbose": Option(["-v", "--verbose"], is_flag=True, help="Print more."),
    "indicate_current": Option(["-i", "--indicate-current"], is_flag=True, help="Mark the revision of the database."),
    "resolve_dependencies": Option(
        ["--resolve-dependencies"], is_flag=True, help="Count dependencies as down revisions."
    ),
    "check_heads": Option(["--check-heads"], is_flag=True, help="Fail if it is not the newest one."),
    "purge": Option(["--purge"], is_flag=True, help="Delete the recorded revision first."),
}


def database_group(url: URL) -> click.Group:
    group = click.Group("db", help="Migrate the database.", callback=_show_progress)
    for name, (function, help_text) in _COMMANDS.items():
        group.add_command(
            AsyncCommand(
                name,
                callback=partial(_run, function, url),
                help=help_text,
                params=_parameters(function),
                context_settings={"ignore_unknown_options": function is _downgrade},  # `-1`
            )
        )
    return group


def _parameters(function: Callable[..., object]) -> list[click.Parameter]:
    fixed = function.keywords if isinstance(function, partial) else {}
    names = [name for name in signature(function).parameters if name not in fixed]
    return [*(_PARAMETERS[name] for name in names if name in _PARAMETERS), *_COMMON_OPTIONS]


def _run(
    function: Callable[..., object],
    url: URL,
    *,
    directory: Path,
    x_arg: tuple[str, ...],
    **arguments: Any,
) -> None:
    if url == NO_DATABASE and _needs_database(**arguments):
        raise CommandError(NOT_SET)
    config = alembic_config(directory)
    config.attributes["url"] = url
    config.cmd_opts = Namespace(x=list(x_arg))
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "Revision ", UserWarning)  # a revision is missing or exists twice
        function(config, **arguments)


def _needs_database(
    *,
    autogenerate: bool = False,
    indicate_current: bool = False,
    rev: str = "",
    rev_range: str | None = None,
    **_: object,
) -> bool:
    """Find out for a command that mostly needs none; `migrate` and the like never get here without an address."""
    return autogenerate or indicate_current or "current" in (rev, *(rev_range or "").split(":"))


def _init(config: AlembicConfig) -> None:
    create_migrations(Path(str(config.get_main_option("script_location"))))


def _downgrade(config: AlembicConfig, down_to: str, sql: bool, tag: str | None) -> None:  # noqa: FBT001
    command.downgrade(config, f"head:{down_to}" if sql and down_to == "-1" else down_to, sql, tag)


def _without_empty_revision(_context: object, _revision: object, directives: list[MigrationScript]) -> None:
    if all(operations.is_empty() for operations in directives[0].upgrade_ops_list):
        directives.clear()
        click.echo("No changes in schema detected.")


_revision = partial(command.revision, process_revision_directives=_without_empty_revision)
_migrate = partial(_revision, autogenerate=True)

_COMMANDS: dict[str, tuple[Callable[..., object], str]] = {
    "init": (_init, "Create a directory for migrations."),
    "revision": (_revision, "Write an empty revision."),
    "migrate": (_migrate, "Write a revision with what the models have and the database lacks."),
    "edit": (command.edit, "Open a revision in $EDITOR; `current` is that of the database."),
    "merge": (command.merge, "Write a revision that joins several revisions, by default all heads."),
    "upgrade": (command.upgrade, "Upgrade to a later revision."),
    "downgrade": (_downgrade, "Downgrade to an earlier revision, by default by one."),
    "show": (command.show, "Show a revision; `current` is that of the database."),
    "history": (command.history, "List all revisions, the newest first."),
    "heads": (command.heads, "Show the newest revisions."),
    "branches": (command.branches, "Show the revisions upon which more than one builds."),
    "current": (command.current, "Show the revision of the database."),
    "stamp": (command.stamp, "Record which revision the database has, without migrating it."),
    "check": (command.check, "Fail if the models differ from the database."),
}


class _Progress(logging.Handler):
    """Prints differences on stdout because they are a result, and progress on stderr because stdout may be SQL."""

    def emit(self, record: logging.LogRecord) -> None:
        result = record.name.startswith("alembic.autogenerate")
        progress = record.name == "alembic.env" or record.msg.startswith("Running")
        if result or progress or record.levelno > logging.INFO:
            click.echo(record.getMessage(), err=not result)


def _show_progress() -> None:
    """Print Alembic's messages as plain lines, independently of LOG_LEVEL and LOG_FORMAT."""
    alembic = logging.getLogger("alembic")
    alembic.handlers = [_Progress()]
    alembic.propagate = False
    alembic.setLevel(logging.INFO)
