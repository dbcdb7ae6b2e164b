"""The container engine of this machine, for tests that need one; a pytest plugin."""

import os
import shutil
import subprocess
from typing import NoReturn

import pytest


@pytest.fixture(name="docker", scope="session")
def _docker() -> None:
    """Skip the test if no engine answers; in CI the test fails."""
    if shutil.which("docker"):
        answer = subprocess.run(["docker", "info"], capture_output=True, check=False)
        if answer.returncode == 0:
            return
    skip_or_fail("NO DOCKER ENGINE ANSWERS: nothing that needs a container is tested")


@pytest.fixture(name="compose", scope="session")
def _compose(docker: None) -> list[str]:
    """The command that runs Compose: the plugin of Docker, or else its predecessor, the program docker-compose."""
    for command in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(command[0]):
            answer = subprocess.run([*command, "version"], capture_output=True, check=False)
            if answer.returncode == 0:
                return command
    return skip_or_fail("NO DOCKER COMPOSE: docker-compose.yml is not tested")


def skip_or_fail(message: str) -> NoReturn:
    """Skip the test because something is not installed here; in CI the test fails."""
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)
