"""Generated projects, one environment in which all of them run, and what workers of pytest share: the machine."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cookiecutter.main import cookiecutter

ROOT = Path(__file__).resolve().parent.parent
TEMPLATE = ROOT / "{{cookiecutter.project_slug}}"
BUILD = ROOT / "build"
Generate = Callable[..., Path]

notes: list[str] = []


def note(line: str) -> None:
    """A line at the end of the test run: a measurement, or what was not tested."""
    notes.append(line)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:  # noqa: ANN401 - a worker of pytest-xdist, which has no types
    notes.extend(getattr(node, "workeroutput", {}).get("notes", []))


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["notes"] = notes


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in notes:
        terminalreporter.write_line(line)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files of tests that are `alone` come last: next to one of them no other test would run."""
    items.sort(key=lambda item: item.get_closest_marker("alone") is not None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """With several workers: a test that is marked as `alone` has the machine to itself."""
    exclusive = item.get_closest_marker("alone") is not None
    with locked("turnstile") as let_in, locked("machine", exclusive=exclusive):
        fcntl.flock(let_in, fcntl.LOCK_UN)  # who waits for the machine is the next one to have it
        return (yield)


@contextmanager
def locked(name: str, *, exclusive: bool = True) -> Iterator[int]:
    """Among processes that test this clone; yields the descriptor that holds the lock."""
    BUILD.mkdir(exist_ok=True)
    with (BUILD / f"{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
        yield file.fileno()


@pytest.fixture(name="generate", scope="session")
def _generate(tmp_path_factory: pytest.TempPathFactory) -> Generate:
    """`generate(license="MIT")` writes a new project with these answers and returns its folder."""
    replay = tmp_path_factory.mktemp("replay")

    def generate(output_dir: Path | None = None, **answers: object) -> Path:
        project = cookiecutter(
            str(ROOT),
            no_input=True,
            extra_context=answers,
            output_dir=str(output_dir or tmp_path_factory.mktemp("generated")),
            default_config={"replay_dir": str(replay)},  # and not the user's own configuration
        )
        return Path(project)

    return generate


@pytest.fixture(name="project", scope="session")
def _project(generate: Generate) -> Path:
    """A project with the default answers, for tests that change nothing in it."""
    return generate()


@pytest.fixture(name="project_environment", scope="session")
def _project_environment() -> Path:
    """The folder with `python`, `quart` and all else that requirements-dev.txt of a project names.

    Kept in build/ until the requirements change: installing takes longer than most tests.
    """
    return environment_of(sys.executable, sys.version)


def environment_on(version: str) -> Path | None:
    """The same on another Python, "3.13" for instance, if it is on the PATH or one of pyenv's."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = [*pyenv.glob(f"{version}.*/bin/python{version}"), shutil.which(f"python{version}")]
    if sys.version.startswith(f"{version}."):
        found = [sys.executable]
    for python in filter(None, found):
        asked = [str(python), "-c", "import sys; print(sys.version, end='')"]
        answer = subprocess.run(asked, capture_output=True, text=True, check=False)
        if answer.returncode == 0:
            return environment_of(str(python), answer.stdout)
    return None


def environment_of(python: str, version: str) -> Path:
    requirements = TEMPLATE / "requirements-dev.txt"
    key = hashlib.sha256(requirements.read_bytes() + version.encode()).hexdigest()[:12]
    environment = BUILD / "environments" / key
    complete = environment / "complete"
    with locked("environments"):
        if not complete.exists():
            install(environment, requirements, python)
            complete.touch()
    return environment / "bin"


def install(environment: Path, requirements: Path, interpreter: str = sys.executable) -> None:
    subprocess.run([interpreter, "-m", "venv", "--clear", environment], check=True)
    python = str(environment / "bin" / "python")
    here = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    uv = shutil.which("uv", path=here)
    pip = [uv, "pip", "install", "--python", python] if uv else [python, "-m", "pip", "install"]
    compiled = ["--compile-bytecode"] if uv else []  # pip does it anyway
    command = [*pip, "--quiet", *compiled, "--require-hashes", "--requirement", str(requirements)]
    subprocess.run(command, check=True)
