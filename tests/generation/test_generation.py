"""Projects that single answers generate; test_matrix.py tests pairs of answers."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support.report import note
from support.template import ROOT, TEMPLATE, Generate

TOOL_FILES = re.compile(r"_cache/|__pycache__/|^\.env$|^\.venv/|^\.postgres/")
PINNED = re.compile(r"^[a-z0-9-]+(\[[a-z,]+\])?==[^ ]+ ( *;[^\\]+ )? *--hash=sha256:[0-9a-f]{64}")


def names(folder: Path) -> set[str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix() for path in files}


def contents(project: Path) -> dict[str, str]:
    return {name: (project / name).read_bytes().decode() for name in sorted(names(project))}


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("My Service", "my-service"),
        ("O'Brien's \"Café\"", "o-brien-s-cafe"),
        ("日本語", "ri-ben-yu"),
        ("long " * 20, "long-" * 9 + "long"),
    ],
)
def test_derives_the_slug_from_the_name(name: str, slug: str, generate: Generate) -> None:
    assert generate(project_name=name.strip()).name == slug


@pytest.mark.parametrize("prefix", ["", "example", "/team/example/"])
def test_writes_development_settings_without_secrets(prefix: str, generate: Generate) -> None:
    project = generate(service_prefix=prefix)

    settings = (project / ".env").read_text(encoding="utf-8")
    assert settings.endswith(f"\nAPP_ENV=development\nLOG_FORMAT=console\nSERVICE_PREFIX={prefix}\n")
    assert settings == (project / ".env.development").read_text(encoding="utf-8")
    assert ".env\n" in (project / ".gitignore").read_text(encoding="utf-8")


def test_make_writes_the_same_settings_in_a_clone(generate: Generate) -> None:
    project = generate(service_prefix="example")
    written = (project / ".env").read_bytes()
    (project / ".env").unlink()

    for _ in range(2):
        subprocess.run(["make", ".env"], cwd=project, check=True, capture_output=True)

    assert (project / ".env").read_bytes() == written
    assert re.search("^run:.* .env", (project / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)


def test_accepts_a_slug_with_the_name_of_the_declined_example(generate: Generate) -> None:
    project = generate(project_name="Todo List", include_todo_example=False)

    assert project.name == "todo-list"
    assert (project / "src" / "dependency_container.py").exists()


def test_generates_the_same_bytes_from_the_same_answers(generate: Generate) -> None:
    answers = {"project_name": "Same", "service_prefix": "same", "license": "Apache-2.0"}

    started = time.perf_counter()
    first = contents(generate(**answers))
    seconds = time.perf_counter() - started

    note(f"generation: {len(first)} files in {seconds:.2f} s")
    assert contents(generate(**answers)) == first


def test_copies_every_file_of_the_template(generate: Generate) -> None:
    project = generate()
    kept = {name for name in names(TEMPLATE) if not TOOL_FILES.search(name)}
    pages = {f"docs/{page.name}" for page in ROOT.glob("docs/*.md")} - {
        "docs/coming-from-flask.md",
        "docs/performance.md",
    }

    assert names(project) == kept | pages | {".env"}


def test_ends_lines_as_on_unix(generate: Generate) -> None:
    project = generate()

    assert not [name for name, text in contents(project).items() if "\r" in text]
    assert not [name for name, text in contents(project).items() if text and text[-1] != "\n"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no executable bit")
def test_scripts_are_executable(project: Path) -> None:
    scripts = list(project.rglob("*.sh"))

    assert scripts
    assert all(script.stat().st_mode & 0o111 for script in scripts)


def test_python_files_of_the_template_need_no_rendering() -> None:
    sources = {path: path.read_text(encoding="utf-8") for path in TEMPLATE.rglob("*.py")}

    assert sources
    assert not [str(path) for path, text in sources.items() if "cookiecutter" in text]


@pytest.mark.parametrize("folder", [ROOT, TEMPLATE])
@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_requirements_are_pinned_with_hashes_and_without_an_index(folder: Path, name: str) -> None:
    lines = (folder / name).read_text(encoding="utf-8").replace("\\\n", " ").splitlines()

    requirements = [line for line in lines if line and not line.strip().startswith("#")]
    assert requirements
    assert not [line for line in requirements if not PINNED.match(line)]


def test_asks_eight_questions_and_explains_each() -> None:
    asked = json.loads((ROOT / "cookiecutter.json").read_text(encoding="utf-8"))

    questions = [name for name in asked if not name.startswith("_")]
    assert len(questions) == 8
    assert questions == list(asked["__prompts__"])
