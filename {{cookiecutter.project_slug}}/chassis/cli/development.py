"""The commands for developers are in `chassis/dev`, which images lack; they are imported when they are used."""

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import click

GENERATOR = "chassis.dev.generate"
OPTIONS_WITH_VALUE = ("--app", "-A", "--env-file", "-e")
NOWHERE = "postgresql://127.0.0.1:1/nowhere"


class GenerateGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return self._group.list_commands(ctx)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return self._group.get_command(ctx, cmd_name)

    @property
    def _group(self) -> click.Group:
        group: click.Group = import_module(f"{GENERATOR}.commands").group
        return group


def development_commands() -> list[click.Command]:
    """Return the commands whose code and packages are installed."""
    if find_spec("chassis.dev") is None or find_spec("libcst") is None:
        return []
    return [GenerateGroup("generate", help="Write the code of an entity, or change it.")]


def settings_of_command(arguments: Sequence[str] = sys.argv) -> dict[str, Any]:
    """Return settings for `quart generate`, which works without a database: it starts one of its own."""
    return {"SQLALCHEMY_DATABASE_URI": NOWHERE} if _first_word(arguments[1:]) == "generate" else {}


def _first_word(arguments: Sequence[str]) -> str | None:
    is_value = False
    for argument in arguments:
        if not is_value and not argument.startswith("-"):
            return argument
        is_value = argument in OPTIONS_WITH_VALUE
    return None
