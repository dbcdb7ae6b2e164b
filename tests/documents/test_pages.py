"""What README and docs tell to type, works; what they show, is printed."""

import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from support.pages import Block, Reader, blocks
from support.postgres import Postgres
from support.service import Commands
from support.template import ROOT, Generate

DOCS = ROOT / "docs"
REMOVING = DOCS / "removing-the-example.md"
ELSEWHERE = (REMOVING, DOCS / "observability.md")  # the latter in test_observability.py, with packages of its own
PAGES = [
    page
    for page in (ROOT / "README.md", *sorted(DOCS.glob("*.md")))
    if page not in ELSEWHERE and any(block.is_executable for block in blocks(page))
]
MYPY = f"mypy --cache-dir {ROOT}/build/mypy src tests/api tests/services"
CHECKS = ("ruff format --check .", "ruff check .", "lint-imports", MYPY)

Reading = Callable[[Path], AbstractContextManager[Reader]]


@pytest.fixture(name="reading")
def _reading(commands: Commands, postgres: Postgres) -> Reading:
    """`reading(project)` is somebody with an empty database and another one for tests."""

    def reading(project: Path) -> Reader:
        names = ("SQLALCHEMY_DATABASE_URI", "TEST_DATABASE_URL")
        settings = {name: postgres.create_database(template="template1") for name in names}
        return Reader(project, commands, settings)

    return reading


def check(reader: Reader) -> None:
    for command in CHECKS:
        reader.type(command)


def test_finds_what_is_to_be_typed() -> None:
    typed = blocks(DOCS / "adding-an-entity.md")

    assert len({block.file for block in typed[:6]} - {None}) == 5  # one edited, four new
    (command, shown), *_ = [step for block in typed for step in block.commands if step[1]]
    assert command == 'quart db migrate -m "add users"'
    assert shown.splitlines()[0] == "Detected added table 'users'"


def test_notices_what_is_not_printed(project: Path, commands: Commands) -> None:
    reader = Reader(project, commands)

    reader.type("echo one two three", "one … three")
    for command, shown in [("echo one", "two"), ("echo one", "one …"), ("false", "")]:
        with pytest.raises(AssertionError, match=command):
            reader.type(command, shown)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_is_followed(page: Path, generate: Generate, reading: Reading) -> None:
    steps = blocks(page)

    with reading(generate()) as reader:
        reader.follow(steps)
        if any(block.file for block in steps):
            check(reader)


def test_the_readme_of_a_project_without_the_example_is_followed(generate: Generate, reading: Reading) -> None:
    project = generate(include_todo_example=False)
    steps = blocks(project / "README.md")

    with reading(project) as reader:
        reader.type("quart db upgrade")
        reader.follow(steps)
        check(reader)
        reader.type("pytest --quiet tests/api/test_book.py", "…1 passed…")

    assert len({block.file for block in steps} - {None}) == 6


def test_the_example_is_removed_before_a_deployment(generate: Generate, reading: Reading) -> None:
    project = generate()

    with reading(project) as reader:
        reader.type("quart db upgrade")
        reader.follow(removal("While nothing has been deployed"))
        check(reader)
        reader.type("quart db check", "No new upgrade operations detected.")
        reader.type("pytest --quiet tests/domain tests/services tests/api/test_openapi.py")

    assert todos(project, "src", "tests", "migrations", "README.md") == ""


def test_the_example_is_removed_after_a_deployment(generate: Generate, reading: Reading) -> None:
    project = generate()

    with reading(project) as reader:
        reader.follow(removal("When it has been deployed"))
        check(reader)
        reader.type("quart show_db_tables", "alembic_version\nservice_context")

    assert todos(project, "src", "tests", "README.md") == ""


def removal(way: str) -> list[Block]:
    return [block for block in blocks(REMOVING) if way in block.heading]


def todos(project: Path, *where: str) -> str:
    command = ["grep", "-ri", "--exclude-dir=__pycache__", "todo", *where]
    return subprocess.run(command, cwd=project, capture_output=True, text=True).stdout
