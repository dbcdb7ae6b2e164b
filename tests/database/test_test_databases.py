"""The choice of a PostgreSQL for the tests of a generated project."""

import os
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from support.applications import run_script
from support.nightly import first_unless_nightly, only_nightly
from support.postgres import Postgres
from support.report import note
from support.service import Commands

TESTS = "tests/api/test_health.py"
ENGINE_SETTINGS = ("DOCKER_", "TESTCONTAINERS_", "TEST_POSTGRES_IMAGE")
BAD_SETTINGS: list[tuple[dict[str, str], list[str]]] = [
    ({"TEST_DATABASE": "sqlite"}, ["TEST_DATABASE=sqlite", "url, container, embedded"]),
    ({"TEST_DATABASE": "url"}, ["TEST_DATABASE_URL", "postgresql://user:password@"]),
    ({"TEST_DATABASE_URL": "postgresql://u:hunter2@h/orders"}, ["'orders'", "contain test"]),
    ({"TEST_DATABASE_URL": "redis://u:hunter2@h/test"}, ["TEST_DATABASE_URL", "redis://"]),
    (
        {"TEST_DATABASE": "container", "DOCKER_HOST": "tcp://127.0.0.1:1"},
        ["TEST_DATABASE=container", "no Docker engine answers", "embedded"],
    ),
]


def run_pytest(project: Path, commands: Commands, *options: str, settings: Mapping[str, str]) -> CompletedProcess[str]:
    return commands.run(project, "pytest", "-p", "no:cacheprovider", TESTS, *options, **settings)


def assert_passed(result: CompletedProcess[str], kind: str) -> None:
    assert result.returncode == 0, result.stdout
    assert re.search(rf"^database: {kind}\b", result.stdout, re.MULTILINE)
    assert re.search(r"=+ \d+ passed in ", result.stdout)
    overhead = re.search(r"^clean database: .*\d ms$", result.stdout, re.MULTILINE)
    assert overhead, result.stdout
    note(f"tests of a project, {kind}: {overhead[0]}")


@pytest.mark.parametrize("host", first_unless_nightly(["tcp://127.0.0.1:1", "unix:///nonexistent/docker.sock"]))
def test_uses_an_embedded_server_if_no_engine_answers(project: Path, commands: Commands, host: str) -> None:
    result = run_pytest(project, commands, "-p", "no:xdist", settings={"DOCKER_HOST": host})

    assert_passed(result, "embedded")


@only_nightly
def test_two_pytest_workers_use_different_databases(project: Path, commands: Commands) -> None:
    result = run_pytest(project, commands, "-n", "2", settings={"TEST_DATABASE": "embedded"})

    assert result.returncode == 0, result.stdout
    assert "database: embedded" in result.stdout
    assert re.search(r"=+ \d+ passed in ", result.stdout)


def test_uses_the_server_at_a_given_url(project: Path, commands: Commands, postgres: Postgres) -> None:
    settings = {"TEST_DATABASE": "url", "TEST_DATABASE_URL": postgres.create_database(template="template1")}

    assert_passed(run_pytest(project, commands, settings=settings), "url")


def test_uses_a_container_if_an_engine_answers(
    project: Path, commands: Commands, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = {name: os.environ[name] for name in os.environ if name.startswith(ENGINE_SETTINGS)}
    probe = commands.run(project, *run_script("pull_test_image"), **engine)
    if probe.returncode:
        message = f"NO CONTAINER: {probe.stderr.strip().splitlines()[-1]}"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        note(f"NOT TESTED: the tests of a project on a container. {message}")
        pytest.skip(message)

    result = run_pytest(project, commands, settings={**engine, "TEST_DATABASE": "container"})

    assert_passed(result, "container")


@pytest.fixture(name="refusals", scope="module")
def _refusals(project: Path, commands: Commands) -> list[CompletedProcess[str]]:
    """Run all at the same time, because each takes two seconds."""
    settings = [settings for settings, _ in BAD_SETTINGS]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(lambda each: run_pytest(project, commands, settings=each), settings))


@pytest.mark.parametrize("number", range(len(BAD_SETTINGS)))
def test_refuses_an_unusable_setting_with_a_sentence(refusals: list[CompletedProcess[str]], number: int) -> None:
    result = refusals[number]

    sentences = [line for line in result.stderr.splitlines() if line]
    assert result.returncode == pytest.ExitCode.USAGE_ERROR, result.stdout + result.stderr
    assert len(sentences) == 1, result.stderr
    assert [word for word in BAD_SETTINGS[number][1] if word not in sentences[0]] == []
    assert "hunter2" not in result.stdout + result.stderr
    assert "passed" not in result.stdout
