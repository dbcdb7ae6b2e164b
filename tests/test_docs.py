"""What README and docs say exists, exists; and what they tell to type, works."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from conftest import ROOT, Generate

PATH = re.compile(r"`((?:src|tests|migrations|scripts|docs|hooks)/[\w./-]*)`")
FUNCTION = re.compile(r"`(\w+)\(\)`")
TARGET = re.compile(r"`make ([a-z-]+)|^make ([a-z-]+)", re.MULTILINE)
LINK = re.compile(r"\]\((?!https?://)([^)#]+)\)")
BLOCK = re.compile(r"```python\n# (src/\S+\.py)\n(.*?)```", re.DOTALL)
STORE_A_BOOK = """
import asyncio
from src.app import app

async def main():
    async with app.test_app() as running:
        client = running.test_client()
        created = await client.post("/v1/book", json={"title": "Emma"})
        refused = await client.post("/v1/book", json={"name": "Emma"})
        listed = await client.get("/v1/book?title=Emma")
        print(created.status_code, refused.status_code, await listed.get_json())

asyncio.run(main())
"""


@pytest.fixture(name="documents", scope="module")
def _documents(project: Path) -> dict[Path, str]:
    paths = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), project / "README.md"]
    return {path: path.read_text(encoding="utf-8") for path in paths}


def test_names_files_that_exist(documents: dict[Path, str], project: Path) -> None:
    named = {(path.name, name) for path, text in documents.items() for name in PATH.findall(text)}

    assert named
    assert not [
        (document, name)
        for document, name in named
        if not (project / name).exists() and not (ROOT / name).exists()
    ]


def test_names_functions_of_the_file_on_the_same_line(
    documents: dict[Path, str], project: Path
) -> None:
    lines = [line for text in documents.values() for line in text.splitlines()]
    named = [
        (name, [project / path for path in PATH.findall(line)])
        for line in lines
        for name in FUNCTION.findall(line)
    ]

    assert named
    assert not [
        name
        for name, paths in named
        if paths and not any(f"def {name}(" in path.read_text("utf-8") for path in paths)
    ]


def test_names_targets_of_make(documents: dict[Path, str], project: Path) -> None:
    makefiles = [(folder / "Makefile").read_text("utf-8") for folder in (ROOT, project)]
    targets = {name for text in makefiles for name in re.findall(r"^([a-z-]+):.*##", text, re.M)}

    named = {a or b for text in documents.values() for a, b in TARGET.findall(text)}

    assert named
    assert named <= targets


def test_links_lead_somewhere(documents: dict[Path, str]) -> None:
    assert not [
        (path.name, link)
        for path, text in documents.items()
        for link in LINK.findall(text)
        if not (path.parent / link).exists()
    ]


def test_the_entity_of_the_readme_can_be_added(
    generate: Generate, project_environment: Path, tmp_path: Path
) -> None:
    project = generate(include_todo_example=False)
    environment = {
        **os.environ,
        "PATH": f"{project_environment}{os.pathsep}{os.environ['PATH']}",
        "SQLALCHEMY_DATABASE_URI": f"sqlite+aiosqlite:///{tmp_path}/test.db",
    }

    def run(*command: str) -> str:
        result = subprocess.run(
            command, cwd=project, env=environment, capture_output=True, text=True, check=False
        )
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    blocks = BLOCK.findall((project / "README.md").read_text(encoding="utf-8"))
    for name, code in blocks:
        add(project / name, code)
    for command in ("db upgrade", "db migrate -m", "db upgrade", "db check"):
        run("quart", *command.split(), *(["add book"] if command.endswith("-m") else []))

    assert len(blocks) == 5
    assert run("python", "-c", STORE_A_BOOK).strip() == (
        "201 400 {'items': [{'id': 1, 'title': 'Emma'}], 'total': 1, 'page': 1, 'per_page': 10}"
    )
    for check in ("ruff check --fix src", "ruff format src", "mypy src", "lint-imports"):
        run(*check.split())


def add(path: Path, code: str) -> None:
    """A new file, or for one that exists imports on top and the rest at the end."""
    if not path.exists():
        path.write_text(code, encoding="utf-8")
        return
    imports, rest = code.split("\n\n", 1)
    text = path.read_text(encoding="utf-8").replace("\nfrom src.", f"\n{imports}\nfrom src.", 1)
    path.write_text(f"{text}\n{rest}", encoding="utf-8")
