"""Steps in a copy of the project, without a database; the random specifications have one.

The entities have names that a project hardly has itself.
"""

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

KEEPER = {
    "step": "add_entity",
    "name": "okapi_keeper",
    "fields": ["name:string{100}:filter:sort"],
    "plural": "okapi_wardens",
}
OKAPI = {
    "step": "add_entity",
    "name": "okapi",
    "fields": ["title:string", "okapi_keeper:references"],
    "path": "/v1/okapi_house",
}
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
    op.create_table("okapi_keeper")
"""
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({**KEEPER, "plural": None}, "src/domain/okapi_keeper.py exists already"),
    ({**KEEPER, "name": "okapi_keepers", "plural": None}, "`okapi_keepers` is the plural of `okapi_keeper`"),
    ({**KEEPER, "name": "okapi_food", "plural": "okapi_keeper"}, "`okapi_keeper` belongs to `okapi_keeper`"),
    ({**KEEPER, "name": "okapi_food", "plural": None, "path": "/v1/okapi_house"}, "/v1/okapi_house is a route already"),
    ({**KEEPER, "name": "service_context", "plural": None}, "There is a table `service_context`"),
    ({**KEEPER, "name": "alembic_version", "plural": None}, "There is a table `alembic_version`"),
    ({**OKAPI, "name": "okapi_food", "path": None, "fields": ["a:references{nobody}"]}, "There is no entity `nobody`"),
    (
        {**OKAPI, "name": "okapi_food", "path": None, "fields": ["a:references{okapi_food}"]},
        "type `a:references{okapi_food}?`",
    ),
    ({"step": "add_fields", "name": "okapi", "fields": ["title:text?"]}, "`okapi` has `title` already"),
    ({"step": "add_fields", "name": "okapi", "fields": ["pages:integer"]}, "type `pages:integer?`, or a default"),
    ({"step": "add_fields", "name": "nobody", "fields": ["pages:integer?"]}, "There is no entity `nobody`"),
    ({"step": "remove_entity", "name": "okapi_keeper"}, "The table `okapi` refers to `okapi_keeper`"),
]


@pytest.fixture(scope="module", name="project")
def _project() -> Iterator[StagedProject]:
    """A copy with two entities."""
    with StagedProject.create(ROOT) as project:
        project.run([KEEPER, OKAPI], None)
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
    entity = Path("src/domain/okapi_keeper.py")
    text = read(project, str(entity))
    (project.folder / entity).write_text(f"{text}{OWN}", encoding="utf-8")
    controller = Path("src/api/controllers/okapi_keeper.py")
    (project.folder / controller).write_text(f"{read(project, str(controller))}\nOURS = 1\n", encoding="utf-8")
    (project.folder / "tests/api/test_okapi_keeper.py").write_text("OURS = 1\n", encoding="utf-8")

    project.run(
        [{"step": "add_fields", "name": "okapi_keeper", "fields": ["born:date?:filter", "rank:integer:default=0"]}],
        None,
    )

    changed = read(project, str(entity))
    assert f"    born: date | None\n    rank: int\n{OWN}" in changed
    assert 'rank: Mapped[int] = mapped_column(server_default="0")' in read(
        project, "src/infrastructure/models/okapi_keeper.py"
    )
    assert is_formatted(project.folder, controller, read(project, str(controller)))
    assert read(project, "tests/api/test_okapi_keeper.py") == "OURS = 1\n"
    assert [note for note in project.notes if "tests/api/test_okapi_keeper.py has no `FIRST`" in note] == project.notes


def test_removes_what_it_has_written_and_keeps_migrations_with_force(project: StagedProject) -> None:
    entity = project.folder / "src/domain/okapi_keeper.py"
    entity.write_text(f"{entity.read_text(encoding='utf-8')}{OWN}", encoding="utf-8")
    migration = Path("migrations/versions/9999_okapi_keeper.py")
    (project.folder / migration).write_text(MIGRATION.format(head=find_head()), encoding="utf-8")

    project.run([{"step": "remove_entity", "name": "okapi"}], None)
    with pytest.raises(GeneratorError, match=r"src/domain/okapi_keeper\.py.*: written or changed by hand"):
        project.run([{"step": "remove_entity", "name": "okapi_keeper"}], None)
    project.run([{"step": "remove_entity", "name": "okapi_keeper", "force": True}], None)

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

    steps.write_migration(Service(), migrations, message="remove okapi_keeper")

    assert migrations.messages == []
