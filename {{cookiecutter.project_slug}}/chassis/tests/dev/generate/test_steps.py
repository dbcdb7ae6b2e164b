"""Steps in a copy of the project, without a database; the random specifications have one."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.script import ScriptDirectory

from chassis.config import ROOT
from chassis.dev.generate import steps
from chassis.dev.generate.migration import Migrations
from chassis.dev.generate.refusal import GeneratorError
from chassis.dev.generate.rendering import is_formatted
from chassis.dev.generate.service import Service
from chassis.dev.generate.staging import StagedProject
from chassis.persistence.migrations import alembic_config

AUTHOR = {"step": "add_entity", "name": "author", "fields": ["name:string{100}:filter:sort"], "plural": "writers"}
BOOK = {"step": "add_entity", "name": "book", "fields": ["title:string", "author:references"], "path": "/v1/library"}
# Tries each step, and prints what it refuses.
TRY = """
import json, sys
from chassis.dev.generate import steps
from chassis.dev.generate.refusal import GeneratorError
from chassis.dev.generate.service import Service

service = Service()
for step in json.loads(sys.argv[1]):
    try:
        getattr(steps, step.pop("step"))(service, None, **step)
    except GeneratorError as error:
        print(error)
    else:
        print("done")
"""
OWN = """
    @property
    def initial(self) -> str:  # ours
        return self.name[:1]
"""
MIGRATION = """
from alembic import op

revision = "9999"
down_revision = "{head}"


def upgrade() -> None:
    op.create_table("author")
"""
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({**AUTHOR, "plural": None}, "src/domain/author.py exists already"),
    ({**AUTHOR, "name": "authors", "plural": None}, "`authors` is the plural of `author`"),
    ({**AUTHOR, "name": "novel", "plural": "author"}, "`author` belongs to `author`"),
    ({**AUTHOR, "name": "novel", "plural": None, "path": "/v1/library"}, "/v1/library is a route already"),
    ({**AUTHOR, "name": "service_context", "plural": None}, "There is a table `service_context`"),
    ({**AUTHOR, "name": "page", "plural": None, "fields": ["a:string:filter"]}, "two things with the name PageQuery"),
    ({**BOOK, "name": "novel", "path": None, "fields": ["a:references{nobody}"]}, "There is no entity `nobody`"),
    ({**BOOK, "name": "novel", "path": None, "fields": ["a:references{novel}"]}, "type `a:references{novel}?`"),
    ({"step": "add_fields", "name": "book", "fields": ["title:text?"]}, "`book` has `title` already"),
    ({"step": "add_fields", "name": "book", "fields": ["pages:integer"]}, "type `pages:integer?`, or a default"),
    ({"step": "add_fields", "name": "nobody", "fields": ["pages:integer?"]}, "There is no entity `nobody`"),
    ({"step": "remove_entity", "name": "author"}, "The table `book` refers to `author`"),
]


@pytest.fixture(scope="module", name="project")
def _project() -> Iterator[StagedProject]:
    """A copy with two entities."""
    with StagedProject.create(ROOT) as project:
        project.run([AUTHOR, BOOK], None)
        yield project


def find_head() -> str | None:
    return ScriptDirectory.from_config(alembic_config()).get_current_head()


def read(project: StagedProject, path: str) -> str:
    return (project.folder / path).read_text(encoding="utf-8")


def test_refuses_with_advice_and_writes_nothing(project: StagedProject) -> None:
    before = project.changes()
    tried = json.dumps([step for step, _ in REFUSED])
    environment = {"SQLALCHEMY_DATABASE_URI": "postgresql://127.0.0.1:1/nowhere"}

    result = subprocess.run(
        [sys.executable, "-c", TRY, tried], cwd=project.folder, env=environment, capture_output=True, text=True
    )

    sentences = result.stdout.splitlines()
    assert len(sentences) == len(REFUSED), result.stderr
    assert [
        (sentence, advice) for sentence, (_, advice) in zip(sentences, REFUSED, strict=True) if advice not in sentence
    ] == []
    assert project.changes() == before


def test_adds_a_field_to_an_entity_that_was_changed_by_hand(project: StagedProject) -> None:
    entity = Path("src/domain/author.py")
    text = read(project, str(entity))
    (project.folder / entity).write_text(f"{text}{OWN}", encoding="utf-8")
    controller = Path("src/api/controllers/author.py")
    (project.folder / controller).write_text(f"{read(project, str(controller))}\nOURS = 1\n", encoding="utf-8")
    (project.folder / "tests/api/test_author.py").write_text("OURS = 1\n", encoding="utf-8")

    project.run(
        [{"step": "add_fields", "name": "author", "fields": ["born:date?:filter", "rank:integer:default=0"]}], None
    )

    changed = read(project, str(entity))
    assert f"    born: date | None\n    rank: int\n{OWN}" in changed
    assert 'rank: Mapped[int] = mapped_column(server_default="0")' in read(
        project, "src/infrastructure/models/author.py"
    )
    assert is_formatted(project.folder, controller, read(project, str(controller)))
    assert read(project, "tests/api/test_author.py") == "OURS = 1\n"
    assert [note for note in project.notes if "tests/api/test_author.py has no `FIRST`" in note] == project.notes


def test_removes_what_it_has_written_and_keeps_migrations_with_force(project: StagedProject) -> None:
    entity = project.folder / "src/domain/author.py"
    entity.write_text(f"{entity.read_text(encoding='utf-8')}{OWN}", encoding="utf-8")
    migration = Path("migrations/versions/9999_author.py")
    (project.folder / migration).write_text(MIGRATION.format(head=find_head()), encoding="utf-8")

    project.run([{"step": "remove_entity", "name": "book"}], None)
    with pytest.raises(GeneratorError, match=r"src/domain/author\.py.*: written or changed by hand"):
        project.run([{"step": "remove_entity", "name": "author"}], None)
    project.run([{"step": "remove_entity", "name": "author", "force": True}], None)

    assert [(change.verb, change.path) for change in project.changes()] == [("write", migration)]


def test_writes_no_migration_without_an_operation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "import_module", lambda _name: None)

    class Complete(Migrations):
        def __init__(self) -> None:
            self.messages: list[str] = []

        def is_complete(self) -> bool:
            return True

        def write(self, message: str) -> None:
            self.messages.append(message)

    migrations = Complete()

    steps.write_migration(Service(), migrations, message="remove author")

    assert migrations.messages == []
