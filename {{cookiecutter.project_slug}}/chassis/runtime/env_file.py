"""`.env` is checked before it is read: in another encoding its settings would be lost, or end in a traceback."""

import codecs
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from dotenv import dotenv_values
from dotenv.main import DotEnv

from chassis.domain.exceptions import ConfigurationError

ENCODING = "utf-8-sig"  # UTF-8, with the mark or without that some editors put at the beginning
WIDE_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)  # the ones of UTF-32 begin or end with them
ADVICE = "save it as UTF-8, for instance with an editor, or with Set-Content -Encoding utf8 in PowerShell"


def check_env_file(path: Path) -> None:
    """Return if the file can be read, or if there is none.

    Raises:
        ConfigurationError: it is a directory, cannot be opened, or is not UTF-8; the message quotes nothing of it.
    """
    if path.is_dir():
        msg = f"{path.name} is a directory, which Docker makes for a mount whose file is missing: remove it."
        raise ConfigurationError(msg)
    if not path.is_file():
        return
    try:
        content = path.read_bytes()
    except OSError as error:
        msg = f"{path.name} cannot be read: {error.strerror}: give this user the permission to read it."
        raise ConfigurationError(msg) from None
    if content.startswith(WIDE_MARKS) or b"\0" in content:
        msg = f"{path.name} is UTF-16 and not UTF-8: {ADVICE}."
        raise ConfigurationError(msg)
    try:
        content.decode(ENCODING)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        msg = f"{path.name} is not UTF-8 in line {line}: {ADVICE}."
        raise ConfigurationError(msg) from None


def read_env_file(path: Path) -> Mapping[str, str | None]:
    """Return the values as they are written: a `$` in a password is a `$`."""
    return dotenv_values(path, encoding=ENCODING, interpolate=False)


def restore_values(path: Path) -> None:
    """Put the values as they are written into the environment, to which the `quart` command has copied the file.

    That command replaces `${NAME}` in them. A variable that differs from the copy was set by somebody else, and stays.
    """
    for name, value in _find_replaced(path):
        os.environ[name] = value


def _find_replaced(path: Path) -> Iterator[tuple[str, str]]:
    copied = DotEnv(path, encoding=ENCODING, override=False).dict()
    for name, value in read_env_file(path).items():
        if value and value != copied[name] == os.environ.get(name):
            yield name, value
