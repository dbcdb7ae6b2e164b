"""The files of a generated project are as closed as they can be: `.env`, Compose, and the images that they name."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from support.service import Commands
from support.template import Generate

ONLY_THE_USER = 0o600
DOCKER = """#!/bin/sh
case $1 in port) echo 127.0.0.1:7150 ;; esac
"""


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(name="clone")
def _clone(generate: Generate) -> Path:
    """A project without `.env`, like one that somebody has cloned."""
    project = generate()
    (project / ".env").unlink()
    return project


@pytest.fixture(autouse=True)
def _generous_umask() -> Iterator[None]:
    """With the usual umask everybody could read new files."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def test_only_the_user_may_read_the_settings_of_a_generated_project(generate: Generate) -> None:
    assert mode(generate() / ".env") == ONLY_THE_USER


def test_only_the_user_may_read_the_settings_that_make_run_writes(clone: Path, commands: Commands) -> None:
    result = commands.run(clone, "make", ".env")

    assert (result.returncode, mode(clone / ".env")) == (0, ONLY_THE_USER), result.stderr


@pytest.fixture(name="docker_path")
def _docker_path(tmp_path: Path) -> str:
    """A PATH with a stand-in for Docker."""
    docker = tmp_path / "docker"
    docker.write_text(DOCKER, encoding="utf-8")
    docker.chmod(0o700)
    return f"{tmp_path}{os.pathsep}{os.environ['PATH']}"


def test_only_the_user_may_read_the_settings_that_run_postgres_writes(
    clone: Path, commands: Commands, docker_path: str
) -> None:
    result = commands.run(clone, "scripts/run_postgres.sh", PATH=docker_path)

    assert (result.returncode, mode(clone / ".env")) == (0, ONLY_THE_USER), result.stderr
    assert "postgres:postgres@127.0.0.1:7150" in (clone / ".env").read_text(encoding="utf-8")


def test_run_postgres_does_not_append_to_settings_in_utf_16(clone: Path, commands: Commands, docker_path: str) -> None:
    settings = "APP_ENV=development\n".encode("utf-16")
    (clone / ".env").write_bytes(settings)

    result = commands.run(clone, "scripts/run_postgres.sh", PATH=docker_path)

    assert (result.returncode, result.stderr) == (1, ".env is UTF-16 and not UTF-8: save it as UTF-8.\n")
    assert (clone / ".env").read_bytes() == settings


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1", "directory"])
def test_the_service_says_in_one_sentence_that_it_cannot_read_its_settings(
    encoding: str, clone: Path, commands: Commands
) -> None:
    if encoding == "directory":
        (clone / ".env").mkdir()
    else:
        (clone / ".env").write_text("# für\nSQLALCHEMY_DATABASE_URI=postgresql://u:hunter2@h/d\n", encoding)

    served = commands.run(clone, "hypercorn", "asgi:app", "--config", "hypercorn.toml", "--bind", "127.0.0.1:{port}")
    made = commands.run(clone, "python", "-m", "chassis.dev.postgres", "run", "--", "true")

    assert (served.returncode, served.stderr.count("\n")) == (1, 1), served.stderr
    assert served.stderr.startswith("Error: .env is ")
    assert served.stderr.removeprefix("Error: ") == made.stderr
    assert "hunter2" not in served.stderr + made.stderr


@pytest.mark.parametrize(
    "uri",
    [
        "postgresql://user:hun@ter2@localhost/database",
        "postgresql://user:hun@ter2:x@localhost:5432/database",
        "postgresql://user:hunter2@localhost:54x/database",
        "postgresql://user:hunter2@localhost/database?sslmode=bogus",
        "postgresql://user:hunter2@localhost/database?target_session_attrs=hunter2",
    ],
)
def test_the_service_says_in_one_sentence_that_its_database_url_is_wrong(
    uri: str, project: Path, commands: Commands
) -> None:
    settings = {"SQLALCHEMY_DATABASE_URI": uri}
    served = commands.run(
        project, "hypercorn", "asgi:app", "--config", "hypercorn.toml", "--bind", "127.0.0.1:{port}", **settings
    )

    assert (served.returncode, served.stderr.count("\n")) == (1, 1), served.stderr
    assert served.stderr.startswith("Error: SQLALCHEMY_DATABASE_URI has ")
    assert "ter2" not in served.stderr


def test_every_container_of_compose_is_restricted(project: Path) -> None:
    """tests/operations/test_containers.py starts them."""
    services = yaml.safe_load((project / "docker-compose.yml").read_text(encoding="utf-8"))["services"]

    assert sorted(services) == ["database", "migration", "service"]
    for service in services.values():
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["read_only"] is True
        assert not {"privileged", "network_mode", "pid"} & service.keys()
    assert "cap_add" not in services["service"]


def test_images_can_be_pinned_by_their_digest(project: Path) -> None:
    names = ("docker-compose.yml", "Dockerfile", "deploy/kubernetes/deployment.yml")
    texts = [(project / name).read_text(encoding="utf-8") for name in names]

    assert all("@sha256:" in text for text in texts)  # a comment says how
    assert "image: ${POSTGRES_IMAGE:-" in texts[0]
    assert "PYTHON_IMAGE: ${PYTHON_IMAGE:-" in texts[0]
    assert texts[1].count("FROM ${PYTHON_IMAGE}") == 2
