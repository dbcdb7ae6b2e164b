"""Some commands of `quart` need no database, so they run without its address."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from sqlalchemy import URL

NO_DATABASE = URL.create(
    "postgresql+asyncpg", host="not-set.invalid"
)  # no host ever has this name: RFC 2606, section 2
NOT_SET = (
    "SQLALCHEMY_DATABASE_URI is not set: put it into the environment or into .env, "
    "for instance postgresql://user:password@localhost:5432/database; "
    '`make run` brings a PostgreSQL of its own, `eval "$(make postgres)"` starts it for this shell.'
)
_OFFLINE = {"routes", "schema"}
_OFFLINE_DB = {
    "init",
    "revision",
    "merge",
    "edit",
    "show",
    "history",
    "heads",
    "branches",
}  # with most of their options
_OPTIONS_WITH_VALUE = {"-A", "--app", "-e", "--env-file"}  # of `quart` itself


def runs_offline(command_line: Sequence[str]) -> bool:
    """Return whether a process with this `sys.argv` is a command that needs no database."""
    program = Path(command_line[0])
    if "quart" not in (program.stem, program.parent.name):  # the latter for `python -m quart`
        return False
    if "--help" in command_line:
        return True
    match list(_find_words(command_line[1:])):
        case ["db", name, *_]:
            return name in _OFFLINE_DB
        case [name, *_]:
            return name in _OFFLINE
        case words:
            return not words  # `quart` alone prints its help


def _find_words(arguments: Sequence[str]) -> Iterator[str]:
    """Leave out the options of `quart` itself, which stand before the name of the command."""
    remaining = iter(arguments)
    for word in remaining:
        if word in _OPTIONS_WITH_VALUE:
            next(remaining, None)
        elif not word.startswith("-"):
            yield word
