"""The container engine of this machine, for tests that need one; a pytest plugin.

PYTEST_DONT_REWRITE, for it may be imported before it is a plugin, and asserts nothing.
"""

import os
import shutil
import subprocess

import pytest


@pytest.fixture(name="docker", scope="session")
def _docker() -> None:
    """Skips where no engine answers, and fails there in CI."""
    if shutil.which("docker"):
        answer = subprocess.run(["docker", "info"], capture_output=True, check=False)
        if answer.returncode == 0:
            return
    refuse("NO DOCKER ENGINE ANSWERS: nothing that needs a container is tested")


@pytest.fixture(name="compose", scope="session")
def _compose(docker: None) -> list[str]:
    """The words that run Compose: the plugin of Docker, else the program of its own it once was."""
    for words in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(words[0]):
            answer = subprocess.run([*words, "version"], capture_output=True, check=False)
            if answer.returncode == 0:
                return words
    return refuse("NO DOCKER COMPOSE: docker-compose.yml is not tested")


def refuse(message: str) -> list[str]:
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)
