"""One round: every server runs every case, in turn."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import instances
from benchmarks.answers import require_equal_answers
from benchmarks.cases import CASES, CREATE, DISTANT, LIST, ONE, REFUSED, UPDATE, Case
from benchmarks.database import FIRST_KEYS, LAST_KEYS, RESET, Databases, distant, execute, fill
from benchmarks.load import Measured
from benchmarks.processes import BIN, ROOT, resident_mebibytes, run_load
from benchmarks.results import Results
from benchmarks.servers import HYPERCORN_OURS, OURS, SERVERS, RunningServer, serve

TURNS = 2
SECONDS = 0.5  # of a turn
FEW = {"DATABASE_POOL_SIZE": "3"}  # connections of an instance, so that they are the limit, and not the cores


@dataclass(frozen=True)
class Places:
    """The generated project, and the databases."""

    project: Path
    uri: str
    keyset_uri: str
    last_cursor: str
    postgres: str  # its version

    @property
    def folder(self) -> Path:
        """Return where logs are written."""
        return self.project.parent


def prepare(project: Path, uri: str) -> Places:
    """Create the databases; the cursor of the last page is taken while its rows are the only ones."""
    databases = Databases(uri)
    todos = databases.create("todos", project, "generate_series(1, 31)")
    keyset = databases.create("keyset", project, LAST_KEYS)
    cursor = run_in_project(project, keyset, "benchmarks.keyset", "1")["cursor"]
    fill(keyset, FIRST_KEYS)
    return Places(project, todos, keyset, cursor, databases.version())


def run_round(results: Results, places: Places, number: int) -> None:
    with serve_all(places) as servers:
        for server in servers:
            results.add(server.server.name, "start", seconds=server.seconds_to_start)
        order = servers[number % len(servers) :] + servers[: number % len(servers)]
        for case in CASES:
            run_case(results, places, order, case)
        for server in servers:
            results.add(server.server.name, "memory", mebibytes=resident_mebibytes(server.pid))
        run_refused(results, places, servers[0])
    run_distant(results, places)
    run_keyset(results, places)
    run_in_process(results, places)


@contextmanager
def serve_all(places: Places) -> Iterator[list[RunningServer]]:
    """Run all servers, which have answered a few requests, and with the same bodies."""
    with ExitStack() as stack:
        servers = [stack.enter_context(serve(server, places.project, places.uri)) for server in SERVERS]
        require_equal_answers(servers, lambda: execute(places.uri, *RESET))
        for server in servers:
            for case in (ONE, LIST):
                run_load(case.load(server.pid, server.port, SECONDS / 2))
        yield servers


def run_case(results: Results, places: Places, servers: list[RunningServer], case: Case) -> None:
    """Let the servers take short turns, because the speed of a machine changes from one second to the next."""
    measured: list[list[Measured]] = [[] for _ in servers]
    for _ in range(TURNS):
        for server, turns in zip(servers, measured, strict=True):
            turns.append(run_load(case.load(server.pid, server.port, SECONDS)))
            if case in (CREATE, UPDATE):
                execute(places.uri, *RESET)
    for server, turns in zip(servers, measured, strict=True):
        add_turns(results, server.server.name, case.name, turns)


def add_turns(results: Results, server: str, case: str, turns: list[Measured]) -> None:
    requests = sum(turn.requests for turn in turns)
    results.add(
        *(server, case),
        microseconds=sum(turn.cpu_seconds for turn in turns) / requests * 1e6,
        rate=requests / sum(turn.seconds for turn in turns),
        p50=median(turn.p50 for turn in turns),
        p99=median(turn.p99 for turn in turns),
    )


def run_refused(results: Results, places: Places, server: RunningServer) -> None:
    """Measure requests during a maintenance window."""
    switch_window(places, "activate_maintenance_mode")
    run_case(results, places, [server], REFUSED)
    switch_window(places, "deactivate_maintenance_mode")


def switch_window(places: Places, command: str) -> None:
    environment = {**OURS, "SQLALCHEMY_DATABASE_URI": places.uri, "PATH": f"{BIN}:/usr/bin:/bin"}
    subprocess.run(["quart", command], cwd=places.project, env=environment, check=True, capture_output=True)


def run_distant(results: Results, places: Places) -> None:
    """Measure servers whose database is 20 ms away, and instances of ours behind a proxy."""
    with distant(places.uri, places.folder) as uri:
        for server in SERVERS:
            with serve(server, places.project, uri) as running:
                run_load(DISTANT.load(running.pid, running.port, SECONDS / 2))
                run_case(results, places, [running], DISTANT)
        if instances.is_installed():
            with ExitStack() as stack:
                pair = [stack.enter_context(serve(HYPERCORN_OURS, places.project, uri, **FEW)) for _ in range(2)]
                run_instances(results, places, *pair[:1])
                run_instances(results, places, *pair)


def run_instances(results: Results, places: Places, *servers: RunningServer) -> None:
    with instances.balance(places.folder, *(server.port for server in servers)) as port:
        load = DISTANT.load(servers[0].pid, port, SECONDS)  # its CPU time is not compared
        run_load(load)
        add_turns(results, "nginx", f"instances: {len(servers)}", [run_load(load) for _ in range(TURNS)])


def run_keyset(results: Results, places: Places) -> None:
    times = run_in_project(places.project, places.keyset_uri, "benchmarks.keyset", "300", places.last_cursor)
    for name in ("first page", "last page"):
        results.add("in process", name, milliseconds=times[name])


def run_in_process(results: Results, places: Places) -> None:
    for name, microseconds in run_in_project(places.project, places.uri, "benchmarks.in_process", "15").items():
        results.add("in process", name, microseconds=microseconds)


def run_in_project(project: Path, uri: str, module: str, *arguments: str) -> dict[str, Any]:
    """Run a module that measures the code of the project in its own process, and return what it prints."""
    settings = {"SQLALCHEMY_DATABASE_URI": uri, "PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-m", module, *arguments]
    result = subprocess.run(command, cwd=project, env=settings, check=True, stdout=subprocess.PIPE)
    printed: dict[str, Any] = json.loads(result.stdout)
    return printed
