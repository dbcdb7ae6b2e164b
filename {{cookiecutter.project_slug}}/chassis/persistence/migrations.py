"""Alembic's configuration, the same for the command line, the service and the tests."""

import sys
from importlib.util import find_spec
from pathlib import Path
from shutil import copyfile

from alembic.config import Config as AlembicConfig
from alembic.util import CommandError
from sqlalchemy import table

MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations"
VERSION_TABLE = table("alembic_version")
FILE_TEMPLATE = "%(year)d_%(month).2d_%(day).2d_%(hour).2d%(minute).2d_%(rev)s_%(slug)s"
RUFF_HOOKS = {
    "hooks": "fix, format",
    "fix.type": "module",
    "fix.module": "ruff",
    "fix.options": "check --fix-only --quiet REVISION_SCRIPT_FILENAME",
    "format.type": "module",
    "format.module": "ruff",
    "format.options": "format --quiet REVISION_SCRIPT_FILENAME",
}


def alembic_config(directory: Path = MIGRATIONS) -> AlembicConfig:
    """Return a configuration whose `attributes` take a `connection` or a `url` for `migrations/env.py`.

    The URL is not an option, because `%` has a meaning in options.
    """
    config = AlembicConfig(stdout=sys.stdout)  # Alembic's default is the stdout of the time of its import
    config.set_main_option("script_location", str(directory.resolve()).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.set_main_option("file_template", FILE_TEMPLATE.replace("%", "%%"))
    if find_spec("ruff"):  # a development dependency; where it is missing, nobody writes revisions
        for option, value in RUFF_HOOKS.items():
            config.set_section_option("post_write_hooks", option, value)
    return config


def create_migrations(directory: Path) -> None:
    """Create a second directory that works like the first one, without its revisions.

    Raises:
        CommandError: the directory exists and is not empty.
    """
    if directory.exists() and any(directory.iterdir()):
        msg = f"Directory {directory} already exists and is not empty"
        raise CommandError(msg)
    (directory / "versions").mkdir(parents=True)
    for name in ("env.py", "script.py.mako"):
        copyfile(MIGRATIONS / name, directory / name)
