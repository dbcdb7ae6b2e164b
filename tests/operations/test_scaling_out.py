"""The number of connections and the rolling update that docs/scaling-out.md describes."""

import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.applications import add_migration
from support.database_server import Database
from support.instances import Call, serve_instances
from support.load import Load
from support.pgbouncer import PAGE, fragment
from support.postgres import Postgres
from support.report import note
from support.service import Commands
from support.template import Generate
from support.waiting import wait_until

POOL = 2  # DATABASE_POOL_SIZE
# Long enough that a slow machine does not change the counts.
PATIENCE = {"DATABASE_CONNECT_TIMEOUT": "30", "DATABASE_POOL_TIMEOUT": "30"}
LIST: Call = ("GET", "/v1/todo", None)
WRITE: Call = ("POST", "/v1/todo", {"title": "a"})


@pytest.fixture(name="uri")
def _uri(postgres: Postgres) -> str:
    return postgres.create_database()


@pytest.fixture(name="newer", scope="module")
def _newer(generate: Generate) -> Path:
    """The next release, which has one more revision."""
    project = generate()
    add_migration(project, "0003_add_due_date")
    return project


def test_opens_as_many_connections_as_the_page_says(project: Path, commands: Commands, uri: str) -> None:
    settings = {"SQLALCHEMY_DATABASE_URI": uri, "DATABASE_POOL_SIZE": str(POOL), **PATIENCE}
    database = Database(commands, uri)
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    with serve_instances(commands, project, settings, settings) as services, ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(8))
        with database.transaction("LOCK TABLE todo"):
            answers = [pool.submit(service.get, "/v1/todo") for service in services for _ in range(POOL + 1)]
            wait_until(lambda: database.query(waiting) == str(2 * POOL))
            probes = [service.get("/health/ready").status_code for service in services]
        statuses = {answer.result().status_code for answer in answers}
        counted = dict(row.split("|") for row in database.query(fragment("pg_stat_activity")).splitlines())
        megabytes = [service.resident_megabytes for service in services]

    assert statuses == {200}
    assert probes == [200, 200]
    assert [counted[f"my-service{suffix}"] for suffix in ("", " gate", " probe")] == [str(2 * POOL), "2", "2"]
    note(f"memory: {max(each or 0 for each in megabytes):.0f} MB an instance")


def test_the_most_instances_in_kubernetes_fit_into_max_connections(project: Path) -> None:
    folder = project / "deploy" / "kubernetes"
    most, surge = (
        int(re.findall(rf"{name}: (\d+)", (folder / file).read_text("utf-8"))[0])
        for name, file in (("maxReplicas", "autoscaler.yml"), ("maxSurge", "deployment.yml"))
    )
    pool = int(re.findall(r"DATABASE_POOL_SIZE=(\d+)", (project / ".env.example").read_text("utf-8"))[0])
    instances = most + surge + 1  # one that is being stopped
    needed = instances * (pool + 2) + 1  # for the migration

    assert f"{instances} \N{MULTIPLICATION SIGN} ({pool} + 2) + 1 = {needed}" in PAGE.read_text("utf-8")
    assert needed <= 100 - 3  # PostgreSQL's max_connections without those kept for superusers


def test_old_and_new_instances_serve_during_an_update(project: Path, newer: Path, commands: Commands, uri: str) -> None:
    """The new instance is ready after the migration; the old one stays ready despite an unknown revision."""
    settings = {"SQLALCHEMY_DATABASE_URI": uri, **PATIENCE}
    with commands.serve(project, **settings) as old, commands.serve(newer, **settings) as new:
        before = [service.get("/health/ready").status_code for service in (old, new)]
        with Load.run([old.port, old.port], [LIST, WRITE], per_second=100) as load:
            migrated = commands.run(newer, "quart", "db", "upgrade", **settings)
        after = [service.get("/health/ready").status_code for service in (old, new)]
        written = [service.http.post("/v1/todo", json={"title": "a"}).status_code for service in (old, new)]

    assert migrated.returncode == 0
    assert (before, after, written) == ([200, 503], [200, 200], [201, 201])
    assert {sample.status for sample in load.samples} == {200, 201}
