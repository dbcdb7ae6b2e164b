"""Compares routes and commands, read as JSON from stdin, with those of the application; prints what it does not know.

It also prints the default of each setting, and what PostgreSQL offers that MySQL and MariaDB lack.
"""

import json
import sys

from chassis.persistence.url import parse_url
from click import Command, Context, Group
from quart.cli import QuartGroup
from sqlalchemy.dialects import mysql
from sqlalchemy.dialects.mysql import mariadb
from werkzeug.exceptions import HTTPException

from src.app import app
from src.config import Config

questions = json.load(sys.stdin)
routes, group = app.url_map.bind(""), QuartGroup()


def is_served(method: str, path: str) -> bool:
    try:
        return bool(routes.match(path, method=method))
    except HTTPException:
        return False


def commands_of(command: Command) -> dict[str, Command]:
    """The commands of a group, also of one that loads them when it is asked."""
    if command is group or not isinstance(command, Group):
        return dict(getattr(command, "commands", {}))
    context = Context(command)
    names = command.list_commands(context)
    return {name: found for name in names if (found := command.get_command(context, name))}


def is_understood(words: list[str]) -> bool:
    command: Command = group
    options = {"--app", "--help"}
    for word in words[1:]:
        own = app.cli.commands if command is group else {}
        commands = {**commands_of(command), **own}
        if word in commands:
            command = commands[word]
            options |= {option for parameter in command.params for option in parameter.opts}
        elif word.startswith("-"):
            if word not in options:
                return False
        elif commands and word != "…" and "/" not in word:
            return False
    return True


def explain_refusal(url: str) -> str:
    try:
        return str(parse_url(url))
    except ValueError as error:
        return str(error)


dialects = [mysql.dialect(), mariadb.MariaDBDialect()]
answer = {
    "routes": [path for method, path in questions["routes"] if not is_served(method, path)],
    "commands": [line for line in questions["commands"] if not is_understood(line.split())],
    "defaults": {name: field.default for name, field in Config.model_fields.items()},
    "refused": [explain_refusal(f"{name}://host/database") for name in ("mysql", "mariadb")],
    "returning": [[dialect.insert_returning, dialect.update_returning] for dialect in dialects],
}
print(json.dumps(answer, default=str))
