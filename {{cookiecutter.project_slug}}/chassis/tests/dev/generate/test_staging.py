import subprocess
from pathlib import Path

import pytest

from chassis.dev.generate.staging import StagedProject

FILES = {".env": "A=1\n", ".gitignore": ".env\nbuild/\n", "src/a.py": "a = 1\n", "docs/ä b.txt": "ä"}
OTHERS = {"build/x.txt": "x", ".venv/lib/y.py": "y = 1\n", "src/__pycache__/a.pyc": "z"}


@pytest.fixture(params=["with git", "without git"], name="root")
def _root(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    for name, text in (FILES | OTHERS).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    if request.param == "with git":
        (tmp_path / ".gitignore").write_text(f"{FILES['.gitignore']}.venv/\n__pycache__/\n", encoding="utf-8")
        command = ["git", "init", "--quiet"]
        subprocess.run(command, cwd=tmp_path, check=True)
    return tmp_path


def test_copies_the_files_of_the_project_and_its_settings(root: Path) -> None:
    with StagedProject.create(root) as project:
        copied = {path.relative_to(project.folder).as_posix() for path in project.folder.rglob("*") if path.is_file()}

        assert copied == set(FILES)
        assert project.changes() == []
    assert not project.folder.exists()


def test_finds_what_has_changed_in_the_copy(root: Path) -> None:
    with StagedProject.create(root) as project:
        (project.folder / "src/a.py").write_text("a = 2\n", encoding="utf-8")
        (project.folder / "src/b.py").write_text("b = 1\n", encoding="utf-8")
        (project.folder / "docs/ä b.txt").unlink()
        (project.folder / ".env").write_text("A=2\n", encoding="utf-8")

        changes = project.changes()

    assert [(change.verb, change.path.as_posix()) for change in changes] == [
        ("remove", "docs/ä b.txt"),
        ("change", "src/a.py"),
        ("write", "src/b.py"),
    ]
    assert (root / "src/a.py").read_text(encoding="utf-8") == "a = 1\n"
