"""Programs that read OpenAPI documents: linters and generators of clients, from PyPI and npm, kept in build/."""

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.environments import install
from support.machine import hold_lock
from support.template import BUILD, ROOT

CLIENTS = ROOT / "tests" / "clients"
PINS = CLIENTS / "requirements.txt"  # written by `make lock`
PACKAGES = ("package.json", "package-lock.json", ".npmrc")


@dataclass(frozen=True)
class ClientTools:
    """`python` and `node_modules` have the packages of the generators."""

    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def node_modules(self) -> Path:
        return self.folder / "node_modules"

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        programs = (self.node_modules / ".bin", self.python.parent, os.environ["PATH"])
        environment = {**os.environ, "PATH": os.pathsep.join(map(str, programs)), "REDOCLY_TELEMETRY": "off"}
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)

    def generate_python_client(self, document: Path, package: Path) -> None:
        arguments = ("--path", str(document), "--meta", "none", "--output-path", str(package), "--fail-on-warning")
        result = self.run("openapi-python-client", "generate", *arguments)
        assert result.returncode == 0, result.stdout + result.stderr


@pytest.fixture(name="client_tools", scope="session")
def _client_tools() -> ClientTools:
    contents = b"".join((CLIENTS / name).read_bytes() for name in (PINS.name, *PACKAGES))
    tools = ClientTools(BUILD / "client-tools" / hashlib.sha256(contents).hexdigest()[:12])
    complete = tools.folder / "complete"
    with hold_lock("client-tools"):
        if not complete.exists():
            install(tools.folder, PINS, sys.executable)
            for name in PACKAGES:
                shutil.copy(CLIENTS / name, tools.folder)
            result = tools.run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
            assert result.returncode == 0, result.stdout + result.stderr
            complete.touch()
    return tools
