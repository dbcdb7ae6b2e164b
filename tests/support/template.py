"""Where the template is, and the type of the fixture `generate`."""

from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "{{cookiecutter.project_slug}}"
BUILD = ROOT / "build"  # ignored by git
MYPY_CACHE = BUILD / "mypy"  # of all projects, because checking the packages takes most of the time
Generate = Callable[..., Path]
