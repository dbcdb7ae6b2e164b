"""A service behind a PgBouncer in transaction mode, with the configuration of docs/scaling-out.md."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.applications import add_controller, add_migration
from support.database_server import Database
from support.faults import Proxy
from support.instances import (
    InstanceClient,
    connect_to,
    generate_with_instance_controller,
    serve_instances,
    switch_and_wait,
)
from support.pgbouncer import PAGE, QUERY_PARAMETER, USERS, fragment, run_pgbouncer, version
from support.postgres import Postgres
from support.report import note
from support.service import Commands, Service
from support.template import Generate
from support.waiting import wait_until

pytestmark = pytest.mark.alone

SESSIONS = 3  # of PostgreSQL, shared by all instances
CLIENTS = 8
ROUNDS = 5
FOLLOWS = 3.0 + 5  # seconds, of which 5 are for a busy machine

SESSION_STATE = """
SELECT pg_backend_pid(), (SELECT count(*) FROM pg_prepared_statements),
       (SELECT count(*) FROM pg_listening_channels())
"""


@pytest.fixture(name="database", scope="module")
def _database(postgres: Postgres) -> str:
    """The URI of an empty database that belongs to the role `service`, with the settings of the page."""
    uri = postgres.create_database("through_pgbouncer", template="template1")
    settings = fragment("ALTER ROLE").split(";\n")[:-1]
    for sql in ("CREATE ROLE service LOGIN", "ALTER DATABASE through_pgbouncer OWNER TO service", *settings):
        postgres.execute(uri, sql)
    return uri


@pytest.fixture(name="bouncer", scope="module")
def _bouncer(database: str) -> Iterator[str]:
    with Proxy.run(database) as proxy, run_pgbouncer(proxy.uri, default_pool_size=str(SESSIONS)) as uri:
        yield uri


@pytest.fixture(name="extended", scope="module")
def _extended(generate: Generate) -> Path:
    project = generate_with_instance_controller(generate)
    add_controller(project, "pair")
    add_migration(project, "0003_check_statement_timeout")
    return project


@pytest.fixture(name="migrated", scope="module")
def _migrated(bouncer: str, extended: Path, commands: Commands) -> str:
    """The URI of the service, after three commands have migrated the database at once."""

    def upgrade(_: int) -> str:
        result = commands.run(extended, "quart", "db", "upgrade", SQLALCHEMY_DATABASE_URI=bouncer)
        return result.stderr if result.returncode else ""

    with ThreadPoolExecutor(3) as pool:
        failures = "".join(pool.map(upgrade, range(3)))
    if failures:
        raise RuntimeError(failures)
    return bouncer


@pytest.fixture(name="instances", scope="module")
def _instances(migrated: str, extended: Path, commands: Commands) -> Iterator[list[Service]]:
    settings = {"SQLALCHEMY_DATABASE_URI": migrated, "APP_ENV": "development"}
    with serve_instances(commands, extended, settings, settings) as services:
        yield services


def test_the_page_shows_the_line_of_the_user() -> None:
    assert f"`auth_file` has the line `{USERS}`" in PAGE.read_text(encoding="utf-8")


def test_three_migrations_at_once_succeed(migrated: str, extended: Path, commands: Commands) -> None:
    current = commands.run(extended, "quart", "db", "current", SQLALCHEMY_DATABASE_URI=migrated)

    assert current.stdout.split() == ["0003", "(head)"]


def test_each_client_gets_the_answers_to_its_own_requests(instances: list[Service]) -> None:
    started = time.monotonic()
    ports = [service.port for service in instances] * (CLIENTS // 2)
    with connect_to(*ports) as clients, ThreadPoolExecutor(CLIENTS) as pool:
        asked = sum(pool.map(create_and_delete_todos, clients, range(CLIENTS)))

    per_second = asked / (time.monotonic() - started)
    note(f"pgbouncer: {version()}, {asked} requests of {CLIENTS} clients at once, {per_second:.0f}/s")
    assert asked == CLIENTS * ROUNDS * 8


def create_and_delete_todos(client: InstanceClient, number: int) -> int:
    """Assert the answer to each request; return the number of requests."""
    asked = 0
    for each in range(ROUNDS):
        title = f"{number}-{each}"
        _, todo = client.ask(("POST", "/v1/todo", {"title": title}))
        path = f"/v1/todo/{todo['id']}"
        of_title = {"items": [todo], "total": 1, "page": 1, "per_page": 10}
        assert todo["title"] == title
        assert client.ask(("GET", path, None)) == (200, todo)
        assert client.ask(("GET", f"/v1/todo?title={title}", None)) == (200, of_title)
        assert client.ask(("PATCH", path, {"completed": True}))[1]["completed"] is True
        assert client.ask(("DELETE", path, None)) == (204, None)
        assert client.ask(("GET", path, None))[0] == 404
        assert client.ask(("POST", f"/pair/{title}?fail=1", None))[0] == 409
        assert client.ask(("POST", f"/pair/{title}", None)) == (200, {"count": 2})
        asked += 8
    return asked


def test_instances_share_the_sessions_of_the_pool_and_leave_nothing_in_them(
    instances: list[Service], bouncer: str, commands: Commands
) -> None:
    assert {service.get("/health/ready").status_code for service in instances} == {200}
    database = Database(commands, bouncer.removesuffix(QUERY_PARAMETER))

    with ExitStack() as stack:
        rows = [stack.enter_context(database.transaction(SESSION_STATE)).split("|") for _ in range(SESSIONS)]

    assert len({pid for pid, *_ in rows}) == SESSIONS
    assert {tuple(state) for _, *state in rows} == {("0", "0")}
    sessions = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'service'"
    assert database.query(sessions) == str(SESSIONS)


def test_another_instance_follows_a_switch_by_polling(instances: list[Service]) -> None:
    ports = [service.port for service in instances]
    with connect_to(*ports) as followers, connect_to(ports[0]) as (operator,):
        for active, verb in ((True, "refuses"), (False, "serves")):
            began = time.time()
            seconds = switch_and_wait(followers, operator, active) - began
            note(f"pgbouncer: the other instance {verb} {seconds:.1f} s after the switch")
            assert seconds < FOLLOWS


def test_a_drain_waits_until_all_gates_are_closed_but_cannot_verify_more(
    instances: list[Service], extended: Path, bouncer: str, commands: Commands
) -> None:
    settings = {"SQLALCHEMY_DATABASE_URI": bouncer, "MAINTENANCE_POLL_SECONDS": "4"}  # longer than the instances do
    result = commands.run(extended, "quart", "activate_maintenance_mode", "--wait", **settings)
    names = Database(commands, bouncer.removesuffix(QUERY_PARAMETER)).query(
        "SELECT application_name FROM pg_stat_activity"
    )
    with connect_to(*(service.port for service in instances)) as clients:
        refused = [client.is_refused for client in clients]
        clients[0].set_maintenance(False)
        wait_until(lambda: not any(client.is_refused for client in clients))

    assert (result.returncode, refused) == (0, [True, True])
    assert "Drained: not verified, " in result.stderr
    assert " draining " not in names


def test_reads_a_column_immediately_after_a_change_of_its_type(
    instances: list[Service], bouncer: str, commands: Commands
) -> None:
    """Without a PgBouncer, each connection fails once before it notices."""
    created = instances[0].http.post("/v1/todo", json={"title": "a"}).json()
    path = f"/v1/todo/{created['id']}"
    read = [instances[0].get(path).json() for _ in range(20)]  # over each connection of the pool

    Database(commands, bouncer.removesuffix(QUERY_PARAMETER)).query("ALTER TABLE todo ALTER id TYPE bigint")

    assert [*read, instances[0].get(path).json()] == [created] * 21


def test_sessions_have_the_settings_of_the_role(bouncer: str, commands: Commands) -> None:
    names = ("statement_timeout", "idle_in_transaction_session_timeout", "jit")
    database = Database(commands, bouncer.removesuffix(QUERY_PARAMETER))

    assert [database.query(f"SHOW {name}") for name in names] == ["10s", "1min", "off"]


def test_answers_503_to_a_request_that_gets_no_session_in_time(
    instances: list[Service], bouncer: str, commands: Commands
) -> None:
    database = Database(commands, bouncer.removesuffix(QUERY_PARAMETER))
    with ExitStack() as stack:
        for _ in range(SESSIONS):
            stack.enter_context(database.transaction("SELECT 1"))
        refused, alive = (instances[0].get(path) for path in ("/v1/todo", "/health/live"))

    assert (refused.status_code, alive.status_code) == (503, 200)
    assert refused.json()["error_message"] == "The database is not available, try again later."
    instances[0].wait_for("/v1/todo")


def test_prints_what_pgbouncer_refuses_without_the_query_parameter(
    bouncer: str, extended: Path, commands: Commands
) -> None:
    uri_without_parameter = bouncer.removesuffix(QUERY_PARAMETER)
    result = commands.run(extended, "quart", "db", "current", SQLALCHEMY_DATABASE_URI=uri_without_parameter)

    assert result.returncode == 1
    assert "unsupported startup parameter" in result.stderr
