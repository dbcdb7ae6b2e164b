"""A generated project passes its own tests and checks, with a PostgreSQL from a container or from a wheel."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support.environments import find_environment
from support.report import note
from support.template import MYPY_CACHE, Generate

pytestmark = pytest.mark.alone

COVERAGE = ("--cov", "--cov-report=term", "--cov-report=html", "--cov-report=xml")  # as in the Makefile
NOT_INHERITED = ("MAKE", "MFLAGS", "PYTEST_", "TEST_DATABASE", "VIRTUAL_ENV")


def run(project: Path, database: str, *command: str | Path) -> str:
    """Run a command, which has to succeed; return its duration and its last line of output."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(NOT_INHERITED)}
    environment["TEST_DATABASE"] = database
    environment["MYPY_CACHE_DIR"] = str(MYPY_CACHE)
    environment["PYTEST_ADDOPTS"] = "--numprocesses=2"
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"  # uv
    started = time.perf_counter()
    result = subprocess.run(
        command,
        cwd=project,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - started

    assert result.returncode == 0, result.stdout
    assert f"database: {database}" in result.stdout
    name = " ".join(Path(word).name for word in command)
    return f"{name} ({database}): {seconds:.0f} s, {result.stdout.splitlines()[-1]}"


@pytest.mark.usefixtures("docker")
def test_passes_its_tests_with_a_container_on_the_newest_python(generate: Generate, project_environment: Path) -> None:
    version = next(filter(find_environment, ("3.14", "3.13", "3.12")), "3.11")
    environment = find_environment(version) or project_environment

    if version == "3.11":
        note("NO NEWER PYTHON HERE: a generated project is tested on 3.11 only")
    project = generate(python_version=version)
    note(f"Python {version}: {run(project, 'container', environment / 'pytest', *COVERAGE)}")
    assert (project / "coverage.xml").exists()
    assert (project / "htmlcov" / "index.html").exists()
    newest = version != "3.11" and version != "3.12"
    assert bool(list(environment.parent.glob("lib/python*/site-packages/quart-0.23*"))) is newest


def test_make_measures_coverage_on_demand(project: Path) -> None:
    make = ("make", "--dry-run", "--assume-old=.venv/installed")
    with_coverage, without = (
        subprocess.run([*make, "test", f"COVERAGE={value}"], cwd=project, capture_output=True, text=True, check=True)
        for value in ("1", "")
    )

    assert " ".join(COVERAGE) in with_coverage.stdout
    assert "--cov" not in without.stdout


def test_passes_its_checks_without_docker_and_without_the_example(generate: Generate) -> None:
    project = generate(include_todo_example=False, license="Proprietary", service_prefix="example")

    note(run(project, "embedded", "make", "check"))
