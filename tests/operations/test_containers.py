"""The image of a generated project, and the service with its database in Compose.

TEST_PYTHON_IMAGE and TEST_POSTGRES_IMAGE name other images, for machines that cannot pull those
of the project.
"""

import os
import re
import subprocess
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import yaml

from support.containers import skip_or_fail
from support.ports import free_port
from support.report import note
from support.service import UNREACHABLE
from support.template import Generate
from support.waiting import wait_until

SLUG = f"containers-{os.getpid()}"  # and the name of the image: several runs may share an engine
START_TIMEOUT = 60.0
CHECK = ("python", "scripts/check_health.py")
# For longer than it drains; nothing waits for more than 10 s in the service.
LOCK = "BEGIN; LOCK TABLE todo; SELECT extract(epoch FROM clock_timestamp()) FROM pg_sleep(7); COMMIT"
LOCKED = "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock'"
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
WAIT = """SET statement_timeout = '60s'; DO $$ BEGIN WHILE ({}) = 0 LOOP
PERFORM pg_sleep(0.05), pg_stat_clear_snapshot(); END LOOP; END $$"""


def run(
    *command: str, folder: Path | None = None, settings: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **(settings or {})}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def output(*command: str) -> str:
    result = run(*command)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout.strip()


def build(project: Path, image: str, *options: str) -> subprocess.CompletedProcess[str]:
    """On the network of the host, whose package index may be a mirror on loopback."""
    argument = ["--build-arg", f"PYTHON_IMAGE={image}"]
    return run("docker", "build", "--network", "host", "--force-rm", *argument, *options, str(project))


def available(image: str, otherwise: str) -> str:
    """The same image, after it has been pulled if it was not there."""
    there = run("docker", "image", "inspect", image).returncode == 0
    if not there and run("docker", "pull", image).returncode != 0:
        skip_or_fail(f"{image} CANNOT BE PULLED: no container is tested; set {otherwise} to another image")
    return image


def wait_for_output(shows: str, *command: str) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while (shown := run(*command)).stdout.strip() != shows:
        assert time.monotonic() < deadline, f"{command}: {shown.stdout}{shown.stderr}"
        time.sleep(0.1)


@dataclass(frozen=True)
class Composed:
    """The project in Compose, its service on this port."""

    project: Path
    compose: list[str]
    postgres: str
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/example"

    def command(self, *words: str) -> str:
        settings = {"PORT": str(self.port), "POSTGRES_IMAGE": self.postgres}
        result = run(*self.compose, *words, folder=self.project, settings=settings)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout.strip()

    def container(self, name: str) -> str:
        return self.command("ps", "--all", "--quiet", name)

    def state(self, name: str, value: str) -> list[str]:
        """The command that shows it."""
        return ["docker", "inspect", "--format", f"{{{{.State.{value}}}}}", self.container(name)]

    def psql(self, sql: str) -> list[str]:
        client = ["psql", "--host", "127.0.0.1", "--username", "service", "--quiet", "--no-align", "--tuples-only"]
        container = self.container("database")
        return ["docker", "exec", "-e", "PGPASSWORD=service", container, *client, "-c", sql]


@contextmanager
def container(image: str, *options: str) -> Iterator[str]:
    """The service in the background, without its database."""
    uri = f"SQLALCHEMY_DATABASE_URI={UNREACHABLE}"
    name = output("docker", "run", "--detach", "--env", uri, *options, image)
    try:
        yield name
    finally:
        output("docker", "rm", "--force", name)


@pytest.fixture(name="containerized", scope="module")
def _containerized(generate: Generate) -> Path:
    return generate(project_slug=SLUG, service_prefix="example")


@pytest.fixture(name="python", scope="module")
def _python(docker: None, containerized: Path) -> str:
    """The image that the Dockerfile builds on."""
    default = re.search("PYTHON_IMAGE=(.*)", (containerized / "Dockerfile").read_text("utf-8"))
    assert default
    return available(os.environ.get("TEST_PYTHON_IMAGE", default[1]), "TEST_PYTHON_IMAGE")


@pytest.fixture(name="image", scope="module")
def _image(python: str, containerized: Path) -> Iterator[str]:
    started = time.monotonic()
    built = build(containerized, python, "--tag", SLUG)
    assert built.returncode == 0, built.stdout + built.stderr
    seconds = time.monotonic() - started
    megabytes = int(output("docker", "image", "inspect", "--format", "{{.Size}}", SLUG)) / 1e6
    note(f"image: built in {seconds:.0f} s, {megabytes:.0f} MB")
    yield SLUG
    output("docker", "image", "rm", SLUG)


@pytest.fixture(name="composed", scope="module")
def _composed(image: str, containerized: Path, compose: list[str]) -> Iterator[Composed]:
    """Compose finds the image under its name and builds none."""
    composition = (containerized / "docker-compose.yml").read_text("utf-8")
    default = re.search("POSTGRES_IMAGE:-(.*)}", composition)
    assert default
    assert f"image: {image}\n" in composition
    name = os.environ.get("TEST_POSTGRES_IMAGE", default[1])
    postgres = available(name, "TEST_POSTGRES_IMAGE")
    composed = Composed(containerized, compose, postgres, free_port())
    started = time.monotonic()
    try:
        composed.command("up", "--detach")
        wait_for_output("healthy", *composed.state("service", "Health.Status"))
        note(f"{' '.join(compose)} up: healthy after {time.monotonic() - started:.0f} s")
        yield composed
    finally:
        composed.command("down", "--volumes")


@pytest.mark.parametrize("version", ["3.11", "3.14"])
def test_the_image_is_built_on_the_python_that_was_chosen(version: str, generate: Generate) -> None:
    project = generate(python_version=version)

    files = [(project / name).read_text("utf-8") for name in ("Dockerfile", "docker-compose.yml")]
    assert [re.findall(r"python:(\S+)-slim", text) for text in files] == [[version], [version]]


def test_after_a_reboot_the_service_has_its_database(containerized: Path) -> None:
    services = yaml.safe_load((containerized / "docker-compose.yml").read_text("utf-8"))["services"]

    restarted = {name: service.get("restart") for name, service in services.items()}
    assert restarted == {"database": "unless-stopped", "migration": None, "service": "unless-stopped"}


def test_a_package_with_another_hash_is_not_installed(generate: Generate, python: str) -> None:
    project = generate()
    (project / "requirements.txt").write_text(f"click==8.5.1 --hash=sha256:{'0' * 64}\n")

    built = build(project, python)

    assert built.returncode != 0
    assert "DO NOT MATCH THE HASHES" in built.stdout + built.stderr


def test_it_runs_as_a_user_who_can_change_nothing(image: str) -> None:
    words = ["docker", "run", "--rm", image, "sh", "-c"]

    assert output(*words, "id -u") == "10001"
    assert output(*words, "find /app /opt/venv -writable ! -type l") == ""


def test_nothing_that_only_a_build_needs_is_in_the_image(image: str) -> None:
    tools = "cc gcc g++ make curl git uv pytest mypy"
    find = f"for tool in {tools}; do command -v $tool; done; ls /opt/venv/bin | grep pip"

    assert output("docker", "run", "--rm", image, "sh", "-c", f"{find}; true") == ""


def test_settings_of_the_developer_stay_outside(image: str, containerized: Path) -> None:
    assert (containerized / ".env").exists()

    listed = output("docker", "run", "--rm", image, "ls", "-A", "/app").split()

    assert sorted(listed) == [
        *(".quartenv", "asgi.py", "hypercorn.toml", "migrations", "pyproject.toml"),
        *("scripts", "src"),
    ]


def test_without_a_database_uri_it_says_so_and_ends_with_1(image: str) -> None:
    result = run("docker", "run", "--rm", image)

    assert result.returncode == 1
    (sentence,) = result.stderr.splitlines()
    assert "SQLALCHEMY_DATABASE_URI is not set" in sentence


@pytest.mark.parametrize("prefix", ["", "/team/example/"])
def test_the_health_check_knows_the_prefix(prefix: str, image: str) -> None:
    with container(image, "--env", f"SERVICE_PREFIX={prefix}") as name:
        check = ["docker", "exec", name, *CHECK]
        wait_for_output("0", "sh", "-c", '"$@" >/dev/null 2>&1; echo $?', "sh", *check)

        elsewhere = run("docker", "exec", "--env", "SERVICE_PREFIX=elsewhere", name, *CHECK)

    assert elsewhere.returncode == 1


def test_it_works_with_the_rights_that_it_has_in_kubernetes(image: str) -> None:
    """None, and no file that it could write: see deploy/kubernetes/deployment.yml."""
    confined = ("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")
    uri = f"SQLALCHEMY_DATABASE_URI={UNREACHABLE}"

    with container(image, *confined) as name:
        check = ["docker", "exec", name, *CHECK]
        wait_for_output("0", "sh", "-c", '"$@" >/dev/null 2>&1; echo $?', "sh", *check)
    migration = run("docker", "run", "--rm", "--env", uri, *confined, image, "quart", "db", "upgrade")

    assert (migration.returncode, migration.stderr.count("\n")) == (1, 1)
    assert "The database cannot be reached" in migration.stderr


def test_the_health_check_fails_with_a_sentence_where_nothing_answers(image: str) -> None:
    result = run("docker", "run", "--rm", image, *CHECK)

    assert result.returncode == 1
    (sentence,) = result.stderr.splitlines()
    assert "Connection refused" in sentence


def test_compose_migrates_and_then_serves(composed: Composed) -> None:
    with httpx.Client(trust_env=False, timeout=START_TIMEOUT) as http:
        created = http.post(f"{composed.url}/v1/todo", json={"title": "a"})
        ready = http.get(f"{composed.url}/health/ready")

    assert output(*composed.state("migration", "ExitCode")) == "0"
    assert (created.status_code, ready.status_code) == (201, 200)


def test_nobody_outside_this_machine_reaches_it(composed: Composed) -> None:
    published = output("docker", "port", composed.container("service"))

    assert published == f"7000/tcp -> 127.0.0.1:{composed.port}"
    assert output("docker", "port", composed.container("database")) == ""


def test_maintenance_is_switched_inside_a_container(composed: Composed) -> None:
    """Its user has no name, and the commands say who switched."""
    quart = ("exec", "-T", "service", "quart")
    with httpx.Client(trust_env=False, timeout=START_TIMEOUT) as http:
        on = composed.command(*quart, "activate_maintenance_mode", "--duration", "30m")
        wait_until(lambda: http.get(f"{composed.url}/v1/todo").status_code == 503)
        off = composed.command(*quart, "deactivate_maintenance_mode")
        wait_until(lambda: http.get(f"{composed.url}/v1/todo").status_code == 200)

    assert on.startswith("Maintenance mode is active. Since: ")
    assert off == "Maintenance mode is inactive."


def test_stopping_waits_for_the_request_in_flight(composed: Composed) -> None:
    """The last one: it stops the service."""
    with ThreadPoolExecutor() as pool, httpx.Client(trust_env=False, timeout=START_TIMEOUT) as http:
        # Begun before what they wait for: to begin takes seconds, of which the lock has few.
        locked, waiting = (pool.submit(output, *composed.psql(WAIT.format(each))) for each in (LOCKED, WAITING))
        lock = pool.submit(output, *composed.psql(LOCK))
        locked.result()
        request = pool.submit(http.post, f"{composed.url}/v1/todo", json={"title": "late"})
        waiting.result()

        composed.command("stop", "service")
        stopped = time.time()

        assert request.result().status_code == 201
        assert float(lock.result()) < stopped
    assert output(*composed.state("service", "ExitCode")) == "0"
