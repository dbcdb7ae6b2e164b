"""Follows docs/observability.md in a project; reads its metrics like Prometheus, its traces like a collector."""

import json
import os
import re
import struct
import subprocess
import time
from dataclasses import dataclass, replace
from pathlib import Path
from socket import SO_LINGER, SOL_SOCKET, create_connection
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from support.applications import add_controller, run_script
from support.database_server import Database
from support.environments import OBSERVABILITY_PINS
from support.pages import Block, Reader, blocks
from support.ports import free_port
from support.postgres import Postgres
from support.service import START_TIMEOUT, Commands, Service
from support.template import MYPY_CACHE, ROOT, TEMPLATE, Generate
from support.waiting import wait_until

PAGE = ROOT / "docs" / "observability.md"
PIN = re.compile(r"^([\w.-]+)==([\w.]+)", re.MULTILINE)
CONSTRAINT = re.compile(r"^(\S+==.+?) \\$", re.MULTILINE)  # with its marker
ADDED = re.compile(r'^\+ +"([a-z-]+)>=', re.MULTILINE)
CHECKS = (
    "ruff format --check .",
    "ruff check .",
    "lint-imports",
    f"mypy --cache-dir {MYPY_CACHE} src tests/test_tracing.py",
)
TRACE_ID, CALLER_SPAN_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TODO = "/v1/todo/<int:todo_id>"
SECONDS = "http_request_duration_seconds"

Metrics = dict[str, float]


@pytest.fixture(name="settings", scope="module")
def _settings(observability_packages: Path, postgres: Postgres) -> dict[str, str]:
    names = ("SQLALCHEMY_DATABASE_URI", "TEST_DATABASE_URL")
    return {"PYTHONPATH": str(observability_packages), **{name: postgres.create_database() for name in names}}


@pytest.fixture(name="observed", scope="module")
def _observed(generate: Generate, commands: Commands, settings: dict[str, str]) -> Path:
    """A project in which the page has been followed, and has printed what the page shows."""
    project, port = generate(), str(free_port())
    steps = [replace(step, text=step.text.replace("9464", port)) for step in blocks(PAGE)]
    (position,) = (number for number, step in enumerate(steps) if step.text == "make lock\n")
    with Reader(project, commands, settings) as reader:
        reader.follow(steps[:position])
        lock(project)
        (commands.folder.parent / "installed").touch()  # the packages are in PYTHONPATH
        reader.follow(steps[position:])
        lines = set(find_example(steps, "metrics").splitlines())
        # A request is counted after its answer has been sent.
        wait_until(lambda: lines <= set(scrape(port).splitlines()))
        for command in CHECKS:
            reader.type(command)
    return project


def lock(project: Path) -> None:
    """Run `make lock` with the versions with which the template was locked."""
    pins: set[str] = set()
    for path in (OBSERVABILITY_PINS, TEMPLATE / "requirements-dev.txt"):
        pins |= set(CONSTRAINT.findall(path.read_text("utf-8")))
    constraints = project.parent / "constraints.txt"
    constraints.write_text("\n".join(sorted(pins)), "utf-8")
    subprocess.run(["make", "lock"], cwd=project, env={**os.environ, "UV_CONSTRAINT": str(constraints)}, check=True)


def find_example(steps: list[Block], kind: str) -> str:
    (text,) = (step.text for step in steps if step.language == "text" and step.heading.endswith(f"see: {kind}"))
    return text


def scrape(port: str) -> str:
    return httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False, timeout=START_TIMEOUT).text


def read_metrics(port: str) -> Metrics:
    lines = (line.rsplit(" ", 1) for line in scrape(port).splitlines() if line[0] != "#")
    return {name: float(value) for name, value in lines}


def counter(method: str, route: str, status: str) -> str:
    return f'{SECONDS}_count{{method="{method}",route="{route}",status="{status}"}}'


@dataclass(frozen=True)
class Observation:
    """Spans, log and metrics of some requests."""

    spans: list[dict[str, Any]]
    log: list[dict[str, Any]]
    metrics: Metrics
    metrics_during_window: Metrics
    metrics_during_websocket: Metrics
    spans_before_exit: int

    def find_span(self, **wanted: str) -> dict[str, Any]:
        (span,) = (span for span in self.spans if wanted.items() <= span.items())
        return span


@pytest.fixture(name="observation", scope="module")
def _observation(observed: Path, commands: Commands, settings: dict[str, str]) -> Observation:
    add_controller(observed, "probe")
    collector = [*run_script("collect_traces"), "{port}"]
    port = str(free_port())
    with commands.serve(observed, *collector, answers="/", **settings) as collecting:
        more = {
            "LOG_FORMAT": "json",
            "MAINTENANCE_POLL_SECONDS": "0.1",
            "SERVICE_PREFIX": "example",
            "OTEL_BSP_SCHEDULE_DELAY": "600000",  # milliseconds, longer than this test
            "OTEL_EXPORTER_OTLP_ENDPOINT": collecting.url,
            "OTEL_EXPORTER_OTLP_TIMEOUT": "30",  # seconds, for a busy machine
            "OTEL_EXPORTER_PROMETHEUS_HOST": "localhost",
            "OTEL_EXPORTER_PROMETHEUS_PORT": port,
            "OTEL_SERVICE_NAME": "observed",
            "OTEL_TRACES_EXPORTER": "otlp",
        }
        with commands.serve(observed, answers="/example/health/ready", **settings, **more) as service:
            ask(service)
            during_websocket = observe_websocket(service, port)
            during_window = observe_window(service, port)
            last_requests = counter("PATCH", "/v1/service-context", "200")
            wait_until(lambda: read_metrics(port).get(last_requests) == 2)
            at_the_end, sent = read_metrics(port), len(collecting.events())
            assert service.stop() == 0
            return Observation(collecting.events(), service.events(), at_the_end, during_window, during_websocket, sent)


def ask(service: Service) -> None:
    headers = {"traceparent": f"00-{TRACE_ID}-{CALLER_SPAN_ID}-01", "X-Request-ID": "ours"}
    assert service.get("/example/v1/todo/1?name=confidential", headers).status_code == 200
    assert service.get("/example/v1/todo/99").status_code == 404
    for name in ("one", "two"):
        assert service.get(f"/example/v1/{name}").status_code == 404
    assert service.request("CONFUSE", "/example/v1/todo").status_code == 405
    assert service.get("/example/probe/failure").status_code == 500
    assert service.get("/example/health/live").status_code == 200


def observe_websocket(service: Service, port: str) -> Metrics:
    with connect(f"ws://127.0.0.1:{service.port}/example/probe/echo", proxy=None) as socket:
        socket.send("hello")
        assert socket.recv(timeout=30) == "hello"
        return read_metrics(port)


def observe_window(service: Service, port: str) -> Metrics:
    switch, headers = "/example/v1/service-context", {"Content-Type": "application/json"}
    try:
        assert service.request("PATCH", switch, headers, b'{"maintenance": true}').status_code == 200
        assert service.get("/example/v1/todo/1").status_code == 503
        time.sleep(0.5)  # in which the watcher polls several times
        return read_metrics(port)
    finally:
        assert service.request("PATCH", switch, headers, b'{"maintenance": false}').status_code == 200


def test_a_generated_project_contains_no_observability(project: Path) -> None:
    added = set(ADDED.findall(PAGE.read_text("utf-8")))
    files = [
        path for path in project.rglob("*") if path.is_file() and path.suffix != ".pyc" and path.parent.name != "docs"
    ]

    assert len(added) == 5
    assert added <= dict(PIN.findall(OBSERVABILITY_PINS.read_text("utf-8"))).keys()
    texts = [path.read_text("utf-8").lower() for path in files]
    assert not [
        path for path, text in zip(files, texts, strict=True) if "opentelemetry" in text or "prometheus" in text
    ]


def test_locks_the_packages_with_hashes_for_the_image(observed: Path) -> None:
    locked = (observed / "requirements.txt").read_text("utf-8")
    before = dict(PIN.findall((TEMPLATE / "requirements.txt").read_text("utf-8")))

    pins = dict(PIN.findall(locked))
    assert set(ADDED.findall(PAGE.read_text("utf-8"))) <= pins.keys() - before.keys()
    assert before.items() <= pins.items()
    for name in pins:
        assert re.search(rf"^{name}==.*\\\n    --hash=sha256:", locked, re.MULTILINE), name


def test_records_a_span_for_a_request_and_a_child_for_its_statement(observation: Observation) -> None:
    statement, served = (
        observation.find_span(trace_id=TRACE_ID, name="SELECT"),
        observation.find_span(parent_span_id=CALLER_SPAN_ID),
    )

    assert [served["name"], statement["name"]] == find_example(blocks(PAGE), "a trace").strip().split("\n    ")
    assert (served["trace_id"], statement["parent_span_id"]) == (TRACE_ID, served["span_id"])
    others = {span["name"] for span in observation.spans if span["trace_id"] == TRACE_ID} - {served["name"], "SELECT"}
    assert others <= {"select", "show"}  # the first statement of a pool asks PostgreSQL for its version and settings
    assert {
        "http.route": TODO,
        "http.response.status_code": 200,
        "http.response.header.x_request_id": ["ours"],
    }.items() <= served["attributes"].items()
    assert statement["attributes"]["db.query.text"].endswith("WHERE todo.id = $1::BIGINT")
    assert {span["service"] for span in observation.spans} == {"observed"}


def test_redacts_the_query_string(observation: Observation) -> None:
    assert observation.find_span(parent_span_id=CALLER_SPAN_ID)["attributes"]["url.query"] == "REDACTED"
    assert "confidential" not in json.dumps(observation.spans)


def test_names_a_span_after_its_route_but_never_after_a_path(observation: Observation) -> None:
    """There are no spans of probes, nor of the watcher of the maintenance window."""
    requests = [span["name"] for span in observation.spans if span["parent_span_id"] in ("", CALLER_SPAN_ID)]

    assert sorted(requests) == sorted(
        [
            *[f"GET {TODO}"] * 2,
            *["GET"] * 3,  # two unknown paths, and a request that the window refused
            "HTTP",
            "GET /probe/failure",
            "WEBSOCKET /probe/echo",
            *["PATCH /v1/service-context"] * 2,
        ]
    )


def test_log_lines_of_a_request_have_the_ids_of_its_span(observation: Observation) -> None:
    failure = observation.find_span(name="GET /probe/failure")
    ids = {name: failure[name] for name in ("trace_id", "span_id")}
    events = [event["event"] for event in observation.log if ids.items() <= event.items()]
    assert "unexpected error" in events
    assert "request" in events

    (line,) = (event for event in observation.log if event.get("trace_id") == TRACE_ID)
    assert line["span_id"] == observation.find_span(parent_span_id=CALLER_SPAN_ID)["span_id"]
    assert set(re.findall(r'"(\w+)":', find_example(blocks(PAGE), "the log"))) <= line.keys()


def test_sends_the_remaining_spans_at_exit(observation: Observation) -> None:
    assert observation.spans_before_exit == 0
    assert observation.spans


def test_counts_requests_by_route_and_status(observation: Observation) -> None:
    counted = {
        (method, route, status): observation.metrics[counter(method, route, status)]
        for method, route, status in re.findall(
            rf'{SECONDS}_count{{method="(.*?)",route="(.*?)",status="(.*?)"}}', "\n".join(observation.metrics)
        )
    }
    probes = {key for key in counted if key[1].startswith("/health/")}

    assert len(probes) in (2, 3)  # the first readiness check may come too early
    assert {key: count for key, count in counted.items() if key not in probes} == {
        ("GET", TODO, "200"): 1,
        ("GET", TODO, "404"): 1,
        ("GET", "", "404"): 2,
        ("_OTHER", "", "405"): 1,
        ("GET", "/probe/failure", "500"): 1,
        ("GET", "", "503"): 1,
        ("PATCH", "/v1/service-context", "200"): 2,
    }


def test_serves_gauges_during_a_window_too(observation: Observation) -> None:
    gauges = {"maintenance_gate_closed": 0, "requests_in_flight": 0, "database_pool_size": 10}

    assert gauges.items() <= observation.metrics.items()
    assert {**gauges, "maintenance_gate_closed": 1}.items() <= observation.metrics_during_window.items()
    assert {**gauges, "requests_in_flight": 1}.items() <= observation.metrics_during_websocket.items()


def test_counts_connections_in_use_and_clients_that_left(
    observed: Path, commands: Commands, settings: dict[str, str]
) -> None:
    port = str(free_port())
    lock = Database(commands, settings["SQLALCHEMY_DATABASE_URI"]).transaction("LOCK TABLE todo")

    more = {"OTEL_EXPORTER_PROMETHEUS_PORT": port, "SERVICE_PREFIX": "example"}
    with commands.serve(observed, answers="/example/health/ready", **settings, **more) as service:
        observe_window(service, port)  # which replaces the pool
        with lock:
            with create_connection(("127.0.0.1", service.port)) as client:
                client.sendall(b"GET /example/v1/todo/1 HTTP/1.1\r\nHost: localhost\r\n\r\n")
                wait_until(lambda: read_metrics(port)["database_pool_checked_out"] == 1)
                # Without a reset, the client might only have ended its request, and still wait for the answer.
                client.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
            wait_until(lambda: read_metrics(port).get(counter("GET", TODO, "499")) == 1)
            wait_until(lambda: read_metrics(port)["database_pool_checked_out"] == 0)


def test_asyncpg_instrumentation_records_more_than_that_of_sqlalchemy(
    project: Path, commands: Commands, observability_packages: Path, postgres: Postgres
) -> None:
    settings = {
        "PYTHONPATH": f"{observability_packages}{os.pathsep}{project}",
        "SQLALCHEMY_DATABASE_URI": postgres.create_database(),
    }

    result = commands.run(project, *run_script("compare_instrumentations"), **settings)

    assert result.returncode == 0, result.stderr
    refused, forced, both, of_asyncpg = map(json.loads, result.stdout.splitlines())
    assert refused == []
    assert "nothing can be instrumented" in result.stderr
    assert [forced.count(name) for name in ("SELECT", "BEGIN")] == [2, 0]
    assert [both.count(name) for name in ("SELECT", "BEGIN")] == [4, 1]
    assert of_asyncpg == ["SELECT", "BEGIN", "SELECT", "COMMIT;"]
