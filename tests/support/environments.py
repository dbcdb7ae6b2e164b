"""Virtual environments in which generated projects run.

They are kept in build/ until the requirements change, because installing takes longer than most tests.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.machine import hold_lock
from support.template import BUILD, ROOT, TEMPLATE

OBSERVABILITY_PINS = ROOT / "tests" / "observability.txt"  # written by `make lock`
BENCHMARK_PINS = ROOT / "benchmarks" / "requirements.txt"  # written by `make lock`


@pytest.fixture(name="project_environment", scope="session")
def _project_environment() -> Path:
    """The folder with `python`, `quart` and everything else that a project's requirements-dev.txt installs."""
    return create_environment(sys.executable, sys.version)


@pytest.fixture(name="observability_packages", scope="session")
def _observability_packages(project_environment: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the packages that docs/observability.md adds to a project, for PYTHONPATH."""
    folder = tmp_path_factory.mktemp("packages")
    install_into(folder, project_environment, "--no-deps", "--require-hashes", "--requirement", str(OBSERVABILITY_PINS))
    return folder


@pytest.fixture(name="server_packages", scope="session")
def _server_packages(project_environment: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the servers of docs/servers.md, for PYTHONPATH."""
    folder = tmp_path_factory.mktemp("servers")
    install_into(folder, project_environment, "--constraint", str(BENCHMARK_PINS), "uvicorn[standard]", "granian")
    return folder


def install_into(folder: Path, environment: Path, *packages: str) -> None:
    """Install packages for the Python of this environment, but not into it."""
    install = [f"{environment}/uv", "pip", "install", "--quiet", "--python", f"{environment}/python"]
    subprocess.run([*install, "--target", str(folder), *packages], check=True)


def find_environment(version: str) -> Path | None:
    """The same folder for another Python, for example "3.13", if that is on the PATH or installed by pyenv."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates = [*pyenv.glob(f"{version}.*/bin/python{version}"), shutil.which(f"python{version}")]
    if sys.version.startswith(f"{version}."):
        candidates = [sys.executable]
    for python in filter(None, candidates):
        command = [str(python), "-c", "import sys; print(sys.version, end='')"]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode == 0:
            return create_environment(str(python), result.stdout)
    return None


def create_environment(python: str, version: str) -> Path:
    """Install the requirements of a project for this interpreter, unless that has been done before."""
    requirements = TEMPLATE / "requirements-dev.txt"
    key = hashlib.sha256(requirements.read_bytes() + version.encode()).hexdigest()[:12]
    environment = BUILD / "environments" / key
    complete = environment / "complete"
    with hold_lock("environments"):
        if not complete.exists():
            install(environment, requirements, python)
            complete.touch()
    return environment / "bin"


def install(environment: Path, requirements: Path, interpreter: str) -> None:
    subprocess.run([interpreter, "-m", "venv", "--clear", environment], check=True)
    python = str(environment / "bin" / "python")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    uv = shutil.which("uv", path=path)
    pip = [uv, "pip", "install", "--python", python] if uv else [python, "-m", "pip", "install"]
    compile_bytecode = ["--compile-bytecode"] if uv else []  # pip compiles by default
    command = [*pip, "--quiet", *compile_bytecode, "--require-hashes", "--requirement", str(requirements)]
    subprocess.run(command, check=True)
