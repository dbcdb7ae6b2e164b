"""The changes to a project: shown as a diff, or written so that an interruption leaves nothing half done."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from difflib import SequenceMatcher, unified_diff
from pathlib import Path

from chassis.dev.generate.refusal import GeneratorError

NO_NEWLINE = "\\ No newline at end of file"


@dataclass(frozen=True)
class Change:
    """The contents of a file before and after; None if it does not exist."""

    path: Path  # relative to the project
    before: bytes | None
    after: bytes | None

    @property
    def verb(self) -> str:
        if self.before is None:
            return "write"
        return "remove" if self.after is None else "change"

    def added_lines(self) -> Iterator[tuple[int, str]]:
        """Yield the lines that only the new version has, with their numbers."""
        before, after = (_lines(content) for content in (self.before, self.after))
        for kind, _, _, start, end in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
            if kind in ("insert", "replace"):
                yield from ((number + 1, after[number].rstrip("\n")) for number in range(start, end))

    def diff(self) -> str:
        """Return a unified diff that `git apply` takes."""
        old = f"a/{self.path.as_posix()}" if self.before is not None else "/dev/null"
        new = f"b/{self.path.as_posix()}" if self.after is not None else "/dev/null"
        lines = unified_diff(_lines(self.before), _lines(self.after), old, new)
        return "".join(line if line.endswith("\n") else f"{line}\n{NO_NEWLINE}\n" for line in lines)


def _lines(content: bytes | None) -> list[str]:
    return (content or b"").decode().splitlines(keepends=True)


def check_committed(root: Path, changes: Iterable[Change]) -> None:
    """Raise GeneratorError if a file that changes has changes that git does not have."""
    paths = [change.path.as_posix() for change in changes if change.before is not None]
    if not paths:
        return
    command = ["git", "status", "--porcelain", "--untracked-files=no", "--", *paths]
    try:
        result = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return
    changed = [line[3:] for line in result.stdout.splitlines()]
    if changed and not result.returncode:
        raise GeneratorError(f"{', '.join(changed)}: not committed; commit it, or add --force.")


def apply(root: Path, changes: Sequence[Change]) -> None:
    """Write all changes or none.

    Raises:
        GeneratorError: a file has changed since it was copied, or cannot be written.
    """
    for change in changes:
        if _read(root / change.path) != change.before:
            raise GeneratorError(f"{change.path} has changed meanwhile: type the command again.")
    try:
        with tempfile.TemporaryDirectory(prefix=".generate-", dir=root) as folder:
            old = [_prepare(root, change, change.before, Path(folder, f"{n}.old")) for n, change in enumerate(changes)]
            new = [_prepare(root, change, change.after, Path(folder, f"{n}.new")) for n, change in enumerate(changes)]
            _replace(root, changes, old, new)
    except OSError as error:
        raise GeneratorError(
            f"Nothing has changed, because a file cannot be written: {error}."
        ) from None  # not a database that cannot be reached
    for change in changes:
        if change.after is None:
            _remove_empty_folders(root, (root / change.path).parent)


def _read(file: Path) -> bytes | None:
    return file.read_bytes() if file.exists() else None


def _prepare(root: Path, change: Change, content: bytes | None, file: Path) -> Path | None:
    """Write the content to a file that only has to be renamed then, which needs no space on the disk."""
    if content is None:
        return None
    file.write_bytes(content)
    if change.before is not None:
        shutil.copymode(root / change.path, file)
    return file


def _replace(root: Path, changes: Sequence[Change], old: Sequence[Path | None], new: Sequence[Path | None]) -> None:
    """Rename the new files to those of the project; after an error or an interruption, the old ones."""
    folders: list[Path] = []
    try:
        for change, file in zip(changes, new, strict=True):
            folders += _make_folders((root / change.path).parent)
            _put(file, root / change.path)
    except BaseException:
        for change, file in zip(changes, old, strict=True):
            if _read(root / change.path) != change.before:
                _put(file, root / change.path)
        for folder in reversed(folders):
            folder.rmdir()
        raise


def _put(source: Path | None, target: Path) -> None:
    if source is None:
        target.unlink()
    else:
        source.replace(target)


def _make_folders(folder: Path) -> list[Path]:
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return list(reversed(missing))


def _remove_empty_folders(root: Path, folder: Path) -> None:
    """Remove the folder if only caches of Python are left in it, and then those above it."""
    while folder != root and {each.name for each in folder.iterdir()} <= {"__pycache__"}:
        with suppress(OSError):
            for file in (folder / "__pycache__").glob("*"):
                file.unlink()
            (folder / "__pycache__").rmdir()
        folder.rmdir()
        folder = folder.parent
