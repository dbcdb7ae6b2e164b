"""`quart generate`: the commands, and what they print."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click

from chassis.cli.command import AsyncCommand
from chassis.config import ROOT
from chassis.dev.generate.changes import Change, apply, check_committed
from chassis.dev.generate.database import check_not_applied, empty_database
from chassis.dev.generate.fields import parse_fields
from chassis.dev.generate.names import MAX_ENTITY_LENGTH, snake_case
from chassis.dev.generate.revisions import advice
from chassis.dev.generate.signals import exit_on_signals
from chassis.dev.generate.specification import specify
from chassis.dev.generate.staging import StagedProject

Steps = Sequence[dict[str, Any]]
NAME = click.argument("name")
FIELDS = click.argument("fields", nargs=-1, metavar="NAME:TYPE…")
DRY_RUN = click.option("--dry-run", is_flag=True, help="Print a diff for `git apply`, and write nothing.")
FORCE = click.option("--force", is_flag=True, help="Change files although they have changes that are not committed.")
NO_MIGRATION = click.option("--no-migration", is_flag=True, help="Write no migration, which needs a PostgreSQL.")
FIELD_HELP = """

    \b
    A field is name:type, with ? after the type if it may be null, and modifiers:
      title:string{200}:unique   pages:integer?   'price:decimal{10,2}:filter:sort'
      'state:enum{draft,printed}:default=draft'   author:references:filter
    Types: string{n} text integer biginteger float decimal{p,s} boolean date
      datetime uuid json enum{a,b} references{entity}
    Modifiers: unique index filter sort default=…
"""

group = click.Group("generate", help="Write the code of an entity, or change it.")


def command(name: str) -> Callable[[Callable[..., None]], click.Command]:
    return group.command(name, cls=AsyncCommand)


@command("entity")
@NAME
@FIELDS
@click.option("--plural", help="The plural of the name, if it follows no rule.")
@click.option("--path", help="The path of the list.  [default: /v1/<name>]")
@click.option("--key", type=click.Choice(["integer", "uuid"]), default="integer", show_default=True, help="Its key.")
@DRY_RUN
@NO_MIGRATION
@FORCE
def generate_entity(
    name: str, fields: Sequence[str], *, plural: str | None, path: str | None, key: str, **options: bool
) -> None:
    entity = specify(name, parse_fields(tuple(fields)), plural=plural, path=path, key=key)
    step = {"step": "add_entity", "name": entity.name, "fields": fields, "plural": plural, "path": path, "key": key}
    _execute([[step]], **options)


@command("field")
@NAME
@FIELDS
@DRY_RUN
@NO_MIGRATION
@FORCE
def generate_field(name: str, fields: Sequence[str], *, no_migration: bool, **options: bool) -> None:
    name = _entity(name)
    parsed = parse_fields(tuple(fields))
    if not parsed:
        raise click.UsageError("Name a field, as in `quart generate field book pages:integer?`.")
    message = f"add {', '.join(field.name for field in parsed)} to {name}"
    steps: list[Steps] = [[{"step": "add_fields", "name": name, "fields": fields}]]
    _execute([*steps, [_write_or_check(message, no_migration)]], no_migration=no_migration, **options)


@command("remove")
@NAME
@DRY_RUN
@NO_MIGRATION
@click.option(
    "--force",
    is_flag=True,
    help="Remove files that were changed, keep the migrations, and drop the table by a new one.",
)
def remove_entity(name: str, *, dry_run: bool, no_migration: bool, force: bool) -> None:
    name = _entity(name)
    steps: list[Steps] = [[{"step": "remove_entity", "name": name, "force": force}]]
    last = _write_or_check(f"remove {name}", no_migration or not force)
    _execute([*steps, [last]], dry_run=dry_run, no_migration=no_migration, force=True, is_removal=True)


generate_entity.help = (
    f"Write an entity with its model, repository, controller, providers, migration and tests.{FIELD_HELP}"
)
generate_field.help = f"Add fields to an entity, everywhere, with a migration.{FIELD_HELP}"
remove_entity.help = "Remove what `entity` has written, unless it was changed since."


def _entity(text: str) -> str:
    return snake_case(text, longest=MAX_ENTITY_LENGTH, what="the name of an entity")


def _write_or_check(message: str, only_check: bool) -> dict[str, Any]:  # noqa: FBT001
    return {"step": "check_migrations"} if only_check else {"step": "write_migration", "message": message}


@exit_on_signals()
def _execute(
    runs: Sequence[Steps], *, dry_run: bool, no_migration: bool, force: bool, is_removal: bool = False
) -> None:
    """Carry out each list of steps in a process of its own, and then change the project."""
    with StagedProject.create(ROOT) as project:
        for steps in runs:
            with _database(needed=not no_migration and steps is runs[-1]) as uri:
                project.run(steps, uri)
        project.renew_document(is_removal=is_removal)
        changes = project.changes()
    if is_removal:
        check_not_applied(ROOT, changes)
    if not force:
        check_committed(ROOT, changes)
    for note in project.notes:
        click.echo(note, err=True)
    if dry_run:
        click.echo("".join(change.diff() for change in changes), nl=False)
        return
    apply(ROOT, changes)
    _report(changes, has_migration=not no_migration)


@contextmanager
def _database(*, needed: bool) -> Iterator[str | None]:
    if not needed:
        yield None
        return
    with empty_database() as uri:
        yield uri


def _report(changes: Sequence[Change], *, has_migration: bool) -> None:
    for change in changes:
        click.echo(f"{change.verb:<7} {change.path.as_posix()}")
        if change.verb == "change" and change.path.suffix == ".py":
            for number, line in change.added_lines():
                if line:
                    click.echo(f"{number:>10}  {line}")
    for line in advice(changes, has_migration=has_migration):
        click.echo(line)
