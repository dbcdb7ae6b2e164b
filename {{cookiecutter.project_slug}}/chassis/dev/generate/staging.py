"""A copy of the project, in which a command does its work before a file of the project changes."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any

from chassis.cli.development import NOWHERE
from chassis.dev.generate.changes import Change
from chassis.dev.generate.refusal import GeneratorError

IGNORED = {".git", ".venv", ".postgres", "__pycache__", "build", "dist", "node_modules"}
IGNORED_ENDINGS = ("_cache", ".egg-info", ".pyc")
DOCUMENT = "openapi.json"
SETTINGS = ".env"  # not in git, but the service may need it to start
WITH_DATABASE = "GENERATOR_HAS_DATABASE"  # a variable of the worker


class StagedProject:
    """The files of `root` in a temporary folder, with their contents at the time of the copy."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.root = root
        self.folder = folder
        self.notes: list[str] = []  # of the steps
        self._before: dict[Path, bytes] = {}
        for path in _without_settings(list_files(root)):
            self._before[path] = (root / path).read_bytes()
            _copy(root, folder, path)
        if (root / SETTINGS).exists():
            shutil.copy(root / SETTINGS, folder / SETTINGS)

    @classmethod
    @contextmanager
    def create(cls, root: Path) -> Iterator["StagedProject"]:
        """Give a copy, which is removed at the end.

        Raises:
            GeneratorError: a file cannot be read, or the disk is full.
        """
        with tempfile.TemporaryDirectory(prefix="generate-", ignore_cleanup_errors=True) as folder:
            try:
                project = cls(root, Path(folder).resolve())
            except OSError as error:
                raise GeneratorError(f"The project cannot be copied to {folder}: {error}.") from None
            yield project

    def run(self, steps: Sequence[dict[str, Any]], uri: str | None) -> None:
        """Carry out steps in the copy, with an empty database if there is a URI.

        Raises:
            GeneratorError: a step refuses, or the service does not start after it.
        """
        variables = {"SQLALCHEMY_DATABASE_URI": uri or NOWHERE}
        if uri:
            variables[WITH_DATABASE] = "yes"
        command = [sys.executable, "-m", "chassis.dev.generate.worker", json.dumps(steps)]
        environment = {**os.environ, **variables}
        result = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)
        if result.returncode:
            lines = result.stderr.strip().splitlines() or [f"the code {result.returncode}"]
            raise GeneratorError(f"The service fails: {lines[-1].removeprefix('Error: ')}")
        answer = json.loads(result.stdout.splitlines()[-1])
        if answer["error"]:
            raise GeneratorError(answer["error"])
        self.notes += answer["notes"]

    def renew_document(self, *, is_removal: bool) -> None:
        """Write the API to openapi.json if the project has it, unless an earlier change by hand breaks clients."""
        if (self.folder / DOCUMENT).exists():
            command = [sys.executable, "-m", "chassis.dev.openapi", "write", *(["--breaking"] if is_removal else [])]
            subprocess.run(command, cwd=self.folder, capture_output=True, check=False)

    def changes(self) -> list[Change]:
        """Return what the steps have changed, sorted by path."""
        after = {path: (self.folder / path).read_bytes() for path in _without_settings(walk_files(self.folder))}
        paths = sorted({*self._before, *after})
        changes = [Change(path, self._before.get(path), after.get(path)) for path in paths]
        return [change for change in changes if change.before != change.after]


def _without_settings(paths: list[Path]) -> list[Path]:
    """Return the paths without that of the settings, which are copied but are never a change."""
    return [path for path in paths if path != Path(SETTINGS)]


def _copy(root: Path, folder: Path, path: Path) -> None:
    """Copy a file, and its compiled code, which saves the time to compile all modules again."""
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(root / path, folder / path)
    compiled = Path(cache_from_source(str(root / path))) if path.suffix == ".py" else None
    if compiled and compiled.exists():
        target = Path(cache_from_source(str(folder / path)))
        target.parent.mkdir(exist_ok=True)
        shutil.copy2(compiled, target)


def list_files(root: Path) -> list[Path]:
    """Return the files that git knows or would add; without git, all except those that tools have written."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        result = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return walk_files(root)
    if result.returncode:
        return walk_files(root)
    paths = {Path(name) for name in result.stdout.split("\0") if name}
    return sorted(path for path in paths if (root / path).is_file())


def walk_files(root: Path) -> list[Path]:
    found = []
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name not in IGNORED and not name.endswith(IGNORED_ENDINGS)]
        found += [Path(folder, name).relative_to(root) for name in files if not name.endswith(IGNORED_ENDINGS)]
    return sorted(found)
