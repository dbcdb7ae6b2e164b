import os
import subprocess
from pathlib import Path

import pytest

from chassis.cli.command import describe
from chassis.dev.generate.changes import Change, apply, check_committed
from chassis.dev.generate.refusal import GeneratorError

CHANGES = [
    Change(Path("changed.txt"), b"one\ntwo\nthree", b"one\n2\nthree\nfour"),
    Change(Path("old/removed.txt"), b"gone\n", None),
    Change(Path("sub/new/written.txt"), None, b"new\n"),
]


@pytest.fixture(name="root")
def _root(tmp_path: Path) -> Path:
    for change in CHANGES:
        if change.before is not None:
            (tmp_path / change.path).parent.mkdir(exist_ok=True)
            (tmp_path / change.path).write_bytes(change.before)
    return tmp_path


def contents(root: Path) -> dict[str, bytes | None]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes() if path.is_file() else None
        for path in root.rglob("*")
        if ".git" not in path.parts
    }


def git(root: Path, *arguments: str) -> None:
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@b.example", *arguments]
    subprocess.run(command, cwd=root, check=True)


def test_writes_all_changes_and_removes_empty_folders(root: Path) -> None:
    apply(root, CHANGES)

    assert contents(root) == {
        "changed.txt": b"one\n2\nthree\nfour",
        "sub": None,
        "sub/new": None,
        "sub/new/written.txt": b"new\n",
    }


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left on device")])
@pytest.mark.parametrize("calls", [0, 1])
def test_an_interruption_leaves_the_files_as_they_were(
    root: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, calls: int
) -> None:
    before, replace, done = contents(root), Path.replace, 0

    def fail(self: Path, target: Path) -> Path:
        nonlocal done
        done += 1
        if done == calls + 1:
            raise error
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", fail)

    with pytest.raises((KeyboardInterrupt, GeneratorError)):
        apply(root, CHANGES)

    assert contents(root) == before


@pytest.mark.parametrize("fails", [".generate-", "changed.txt", "written.txt"])
def test_a_file_that_can_never_be_written_leaves_the_others_as_they_were(
    root: Path, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    before, replace, write = contents(root), Path.replace, Path.write_bytes

    def check(path: Path) -> Path:
        if fails in str(path):
            raise OSError(1, "Operation not permitted", str(path))
        return path

    monkeypatch.setattr(Path, "replace", lambda self, target: replace(self, check(target)))
    monkeypatch.setattr(Path, "write_bytes", lambda self, content: write(check(self), content))

    with pytest.raises(
        GeneratorError, match=r"Nothing has changed, because a file cannot be written: .*Operation not"
    ) as raised:
        apply(root, CHANGES)
    assert describe(raised.value) == str(raised.value)

    assert contents(root) == before


def test_refuses_a_file_that_has_changed_meanwhile(root: Path) -> None:
    (root / "changed.txt").write_text("other")
    before = contents(root)

    with pytest.raises(GeneratorError, match=r"changed\.txt has changed meanwhile"):
        apply(root, CHANGES)

    assert contents(root) == before


def test_git_applies_the_diff(root: Path) -> None:
    git(root, "init", "--quiet")

    (root / "diff").write_text("".join(change.diff() for change in CHANGES))
    git(root, "apply", "diff")

    (root / "diff").unlink()
    assert {name: text for name, text in contents(root).items() if text} == {
        str(change.path.as_posix()): change.after for change in CHANGES if change.after
    }


def test_numbers_the_lines_that_are_new() -> None:
    assert list(CHANGES[0].added_lines()) == [(2, "2"), (3, "three"), (4, "four")]


def test_refuses_changes_to_a_file_that_is_not_committed(root: Path) -> None:
    check_committed(root, CHANGES)
    git(root, "init", "--quiet")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "x")
    check_committed(root, CHANGES)
    (root / "changed.txt").write_text("other")

    with pytest.raises(GeneratorError, match=r"changed\.txt: not committed"):
        check_committed(root, CHANGES)


def test_keeps_the_permissions_of_a_file(root: Path) -> None:
    (root / "changed.txt").chmod(0o750)

    apply(root, CHANGES)

    assert (root / "changed.txt").stat().st_mode & 0o777 == 0o750
    assert (root / "sub/new/written.txt").stat().st_mode & 0o777 == 0o666 & ~_umask()


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
