"""The commands in README and docs work, and print what these show."""

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import yaml

from support.nightly import only_nightly
from support.pages import Block, Reader, blocks
from support.postgres import Postgres
from support.report import notes
from support.service import Commands
from support.template import MYPY_CACHE, ROOT, Generate

DOCS = ROOT / "docs"
REMOVING = DOCS / "removing-the-example.md"
ELSEWHERE = (REMOVING, DOCS / "observability.md")  # test_observability.py follows the latter, with more packages
TOGETHER = [DOCS / f"{name}.md" for name in ("settings", "api-key", "messages", "websockets", "background-tasks")]
PAGES = [
    page
    for page in (ROOT / "README.md", *sorted(DOCS.glob("*.md")))
    if page not in (*ELSEWHERE, *TOGETHER) and any(block.is_executable for block in blocks(page))
]
MYPY = f"mypy --cache-dir {MYPY_CACHE} src tests"
CHECKS = ("ruff format --check .", "ruff check .", "lint-imports", MYPY)

CreateReader = Callable[[Path], AbstractContextManager[Reader]]


@pytest.fixture(name="create_reader")
def _create_reader(commands: Commands, postgres: Postgres) -> CreateReader:
    """`create_reader(project)` returns a reader with an empty database, and another one for tests."""

    def create_reader(project: Path) -> Reader:
        names = ("SQLALCHEMY_DATABASE_URI", "TEST_DATABASE_URL")
        settings = {name: postgres.create_database(template="template1") for name in names}
        return Reader(project, commands, settings)

    return create_reader


def run_checks(reader: Reader) -> None:
    for command in CHECKS:
        reader.type(command)


def test_the_readme_generates_a_project_without_an_installed_cookiecutter(tmp_path: Path) -> None:
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    (command,) = [line.partition("#")[0].strip() for line in lines if line.startswith("uvx ")]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

    result = subprocess.run(
        command.replace("path/to/this/repository", str(ROOT)).split(),
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
        input="\n" * 8,
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 0, result.stderr
    assert (tmp_path / "my-service" / "src").is_dir()


def test_finds_files_and_commands_in_a_page() -> None:
    page = blocks(DOCS / "adding-an-entity.md")

    assert len({block.file for block in page[:6]} - {None}) == 5  # one edited, four new
    (command, shown), *_ = [step for block in page for step in block.commands if step[1]]
    assert command.startswith("quart generate entity member email:string:unique:filter ")
    assert shown.splitlines()[0] == "write   migrations/versions/…_add_member.py"


def test_fails_if_a_command_prints_something_else(project: Path, commands: Commands) -> None:
    reader = Reader(project, commands)

    reader.type("echo one two three", "one … three")
    for command, shown in [("echo one", "two"), ("echo one", "one …"), ("false", "")]:
        with pytest.raises(AssertionError, match=command):
            reader.type(command, shown)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_works(page: Path, generate: Generate, create_reader: CreateReader) -> None:
    steps = blocks(page)

    with create_reader(generate()) as reader:
        reader.follow(steps)
        if any(block.file for block in steps):
            run_checks(reader)


def test_the_pages_about_additions_work_together(generate: Generate, create_reader: CreateReader) -> None:
    """One project for all of them, because they add to the same files; each page runs the test that it adds."""
    project = generate()

    with create_reader(project) as reader:
        for page in TOGETHER:
            reader.follow(blocks(page))
        run_checks(reader)

    manifests = [*project.glob("deploy/kubernetes/*.yml"), project / "docker-compose.yml"]
    documents = {path.name: yaml.safe_load(path.read_text("utf-8")) for path in manifests}
    (container,) = documents["deployment.yml"]["spec"]["template"]["spec"]["containers"]
    service = documents["docker-compose.yml"]["services"]["service"]
    (reference,) = container["envFrom"]
    assert reference["configMapRef"]["name"] == documents["settings.yml"]["metadata"]["name"]
    assert "MAIL_PASSWORD" in {variable["name"] for variable in container["env"]}
    assert {"MAIL_SENDER", "MAIL_PASSWORD"} < service["environment"].keys()


def test_the_readme_of_a_project_without_the_example_works(generate: Generate, create_reader: CreateReader) -> None:
    project = generate(include_todo_example=False)
    steps = blocks(project / "README.md")

    with create_reader(project) as reader:
        reader.type("quart db upgrade")
        reader.follow(steps)
        run_checks(reader)
        reader.type("pytest --quiet tests/api/test_book.py", "… passed…")


def test_the_page_of_the_chassis_works(generate: Generate, create_reader: CreateReader) -> None:
    project = generate()
    steps = blocks(project / "chassis" / "README.md")

    with create_reader(project) as reader:
        reader.type("quart db upgrade")
        reader.follow(steps)
        reader.type("make format")
        run_checks(reader)
        reader.type("quart ping")
        reader.type("curl http://127.0.0.1:7000/status", '{"status":"ok"}')

    assert len({block.file for block in steps} - {None}) == 5


@pytest.mark.parametrize(("entity", "without_resources"), [("author", 105), ("book", 175)])
def test_a_repository_and_a_controller_are_short(entity: str, without_resources: int) -> None:
    """Both were written by hand, with the same behaviour, before filters and `register_crud` existed."""
    written = [
        len(block.text.splitlines())
        for block in blocks(DOCS / "resources.md")
        if block.file and block.file.endswith((f"/{entity}_repository.py", f"controllers/{entity}.py"))
    ]

    assert len(written) == 2
    assert sum(written) <= 0.6 * without_resources
    notes.append(f"{entity}: {sum(written)} lines in repository and controller, {without_resources} before")


def test_removes_the_example_before_a_deployment(generate: Generate, create_reader: CreateReader) -> None:
    project = generate()

    with create_reader(project) as reader:
        reader.type("quart db upgrade")
        reader.follow(removal_steps("While nothing has been deployed"))
        run_checks(reader)
        reader.type("quart db check", "No new upgrade operations detected.")
        reader.type("pytest --quiet tests")

    assert find_todo(project, "src", "tests", "migrations", "README.md") == ""


@only_nightly
def test_removes_the_example_after_a_deployment(generate: Generate, create_reader: CreateReader) -> None:
    project = generate()

    with create_reader(project) as reader:
        reader.follow(removal_steps("When it has been deployed"))
        run_checks(reader)
        reader.type("quart show_db_tables", "alembic_version\nservice_context")

    assert find_todo(project, "src", "tests", "README.md") == ""


def removal_steps(case: str) -> list[Block]:
    return [block for block in blocks(REMOVING) if case in block.heading]


def find_todo(project: Path, *where: str) -> str:
    command = ["grep", "-ri", "--exclude-dir=__pycache__", "todo", *where]
    return subprocess.run(command, cwd=project, capture_output=True, text=True).stdout
