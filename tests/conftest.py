"""Hooks of pytest, and the fixtures that generate projects; the other fixtures are in the plugins in support/."""

import signal
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from cookiecutter.main import cookiecutter

from support import PLUGINS
from support.machine import hold_lock, unlock
from support.report import notes
from support.template import ROOT, Generate

pytest_plugins = PLUGINS

# A shell that starts the tests in the background lets them ignore signals, and a child inherits what is ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


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
    """Run the tests marked as `alone` last, because no other test can run next to them."""
    items.sort(key=lambda item: item.get_closest_marker("alone") is not None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Give a test that is marked as `alone` the machine to itself, although pytest-xdist has several workers."""
    exclusive = item.get_closest_marker("alone") is not None
    with hold_lock("turnstile") as turnstile, hold_lock("machine", exclusive=exclusive):
        unlock(turnstile)  # it keeps later tests from overtaking one that waits for the machine
        return (yield)


@pytest.fixture(name="generate", scope="session")
def _generate(tmp_path_factory: pytest.TempPathFactory) -> Generate:
    """`generate(license="MIT")` generates a project with these answers and returns its folder."""
    replay = tmp_path_factory.mktemp("replay")

    def generate(output_dir: Path | None = None, **answers: object) -> Path:
        project = cookiecutter(
            str(ROOT),
            no_input=True,
            extra_context=answers,
            output_dir=str(output_dir or tmp_path_factory.mktemp("generated")),
            default_config={"replay_dir": str(replay)},  # instead of the user's own configuration
        )
        return Path(project)

    return generate


@pytest.fixture(name="project", scope="session")
def _project(generate: Generate) -> Path:
    """A project with the default answers, for tests that do not change it."""
    return generate()
