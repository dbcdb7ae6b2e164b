"""The image of a generated project, and its service and database in Compose.

TEST_PYTHON_IMAGE and TEST_POSTGRES_IMAGE replace the images of the project on machines that cannot pull those.
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

SLUG = f"containers-{os.getpid()}"  # also the name of the image, because several test runs may share an engine
START_TIMEOUT = 60.0
HEALTH_CHECK = ("python", "-m", "chassis.runtime.check_health")
# Longer than the service drains, and shorter than the 10 s after which it gives up a statement.
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


def read_output(*command: str) -> str:
    result = run(*command)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout.strip()


def build(project: Path, image: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Build on the network of the host, because the package index may be a mirror on its loopback."""
    argument = ["--build-arg", f"PYTHON_IMAGE={image}"]
    return run("docker", "build", "--network", "host", "--force-rm", *argument, *options, str(project))


def pull_if_missing(image: str, setting: str) -> str:
    """Return the name of the image when the engine has it; skip the test if it cannot be pulled."""
    exists = run("docker", "image", "inspect", image).returncode == 0
    if not exists and run("docker", "pull", image).returncode != 0:
        skip_or_fail(f"{image} CANNOT BE PULLED: containers are not tested; set {setting} to another image")
    return image


def wait_for_output(expected: str, *command: str) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while (result := run(*command)).stdout.strip() != expected:
        assert time.monotonic() < deadline, f"{command}: {result.stdout}{result.stderr}"
        time.sleep(0.1)


@dataclass(frozen=True)
class Composition:
    """A project in Compose, with its service on this port."""

    project: Path
    compose: list[str]
    postgres: str
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/example"

    def run(self, *words: str) -> str:
        settings = {"PORT": str(self.port), "POSTGRES_IMAGE": self.postgres}
        result = run(*self.compose, *words, folder=self.project, settings=settings)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout.strip()

    def container(self, name: str) -> str:
        return self.run("ps", "--all", "--quiet", name)

    def state_command(self, name: str, value: str) -> list[str]:
        """The command that prints this value of the state of a container."""
        return ["docker", "inspect", "--format", f"{{{{.State.{value}}}}}", self.container(name)]

    def psql_command(self, sql: str) -> list[str]:
        client = ["psql", "--host", "127.0.0.1", "--username", "service", "--quiet", "--no-align", "--tuples-only"]
        container = self.container("database")
        return ["docker", "exec", "-e", "PGPASSWORD=service", container, *client, "-c", sql]


@contextmanager
def run_container(image: str, *options: str) -> Iterator[str]:
    """Run the service in the background, without its database."""
    uri = f"SQLALCHEMY_DATABASE_URI={UNREACHABLE}"
    name = read_output("docker", "run", "--detach", "--env", uri, *options, image)
    try:
        yield name
    finally:
        read_output("docker", "rm", "--force", name)


@pytest.fixture(name="containerized", scope="module")
def _containerized(generate: Generate) -> Path:
    return generate(project_slug=SLUG, service_prefix="example")


@pytest.fixture(name="python", scope="module")
def _python(docker: None, containerized: Path) -> str:
    """The base image of the Dockerfile."""
    default = re.search("PYTHON_IMAGE=(.*)", (containerized / "Dockerfile").read_text("utf-8"))
    assert default
    return pull_if_missing(os.environ.get("TEST_PYTHON_IMAGE", default[1]), "TEST_PYTHON_IMAGE")


@pytest.fixture(name="image", scope="module")
def _image(python: str, containerized: Path) -> Iterator[str]:
    started = time.monotonic()
    built = build(containerized, python, "--tag", SLUG)
    assert built.returncode == 0, built.stdout + built.stderr
    seconds = time.monotonic() - started
    megabytes = int(read_output("docker", "image", "inspect", "--format", "{{.Size}}", SLUG)) / 1e6
    note(f"image: built in {seconds:.0f} s, {megabytes:.0f} MB")
    yield SLUG
    read_output("docker", "image", "rm", SLUG)


@pytest.fixture(name="composition", scope="module")
def _composition(image: str, containerized: Path, compose: list[str]) -> Iterator[Composition]:
    """A running composition; it uses the image that has been built before."""
    compose_file = (containerized / "docker-compose.yml").read_text("utf-8")
    default = re.search("POSTGRES_IMAGE:-(.*)}", compose_file)
    assert default
    assert f"image: {image}\n" in compose_file
    name = os.environ.get("TEST_POSTGRES_IMAGE", default[1])
    postgres = pull_if_missing(name, "TEST_POSTGRES_IMAGE")
    composition = Composition(containerized, compose, postgres, free_port())
    started = time.monotonic()
    try:
        composition.run("up", "--detach")
        wait_for_output("healthy", *composition.state_command("service", "Health.Status"))
        note(f"{' '.join(compose)} up: healthy after {time.monotonic() - started:.0f} s")
        yield composition
    finally:
        composition.run("down", "--volumes")


@pytest.mark.parametrize("version", ["3.11", "3.14"])
def test_builds_the_image_on_the_chosen_python(version: str, generate: Generate) -> None:
    project = generate(python_version=version)

    files = [(project / name).read_text("utf-8") for name in ("Dockerfile", "docker-compose.yml")]
    assert [re.findall(r"python:(\S+)-slim", text) for text in files] == [[version], [version]]


def test_restarts_service_and_database_after_a_reboot(containerized: Path) -> None:
    services = yaml.safe_load((containerized / "docker-compose.yml").read_text("utf-8"))["services"]

    restarted = {name: service.get("restart") for name, service in services.items()}
    assert restarted == {"database": "unless-stopped", "migration": None, "service": "unless-stopped"}


def test_refuses_a_package_with_another_hash(generate: Generate, python: str) -> None:
    project = generate()
    (project / "requirements.txt").write_text(f"click==8.5.1 --hash=sha256:{'0' * 64}\n")

    built = build(project, python)

    assert built.returncode != 0
    assert "DO NOT MATCH THE HASHES" in built.stdout + built.stderr


def test_runs_as_a_user_without_write_permissions(image: str) -> None:
    words = ["docker", "run", "--rm", image, "sh", "-c"]

    assert read_output(*words, "id -u") == "10001"
    assert read_output(*words, "find /app /opt/venv -writable ! -type l") == ""


def test_the_image_contains_no_build_tools(image: str) -> None:
    tools = "cc gcc g++ make curl git uv pytest mypy"
    find = f"for tool in {tools}; do command -v $tool; done; ls /opt/venv/bin | grep pip"

    assert read_output("docker", "run", "--rm", image, "sh", "-c", f"{find}; true") == ""


def test_the_image_does_not_contain_the_settings_of_the_developer(image: str, containerized: Path) -> None:
    assert (containerized / ".env").exists()

    listed = read_output("docker", "run", "--rm", image, "ls", "-A", "/app").split()

    assert sorted(listed) == [
        *(".quartenv", "asgi.py", "chassis", "hypercorn.toml", "migrations", "pyproject.toml", "src"),
    ]


def test_the_image_contains_no_code_for_development(image: str) -> None:
    rooms = read_output("docker", "run", "--rm", image, "ls", "/app/chassis").split()

    assert "maintenance" in rooms
    assert not {"dev", "tests"} & set(rooms)


def test_exits_with_1_and_a_sentence_without_a_database_uri(image: str) -> None:
    result = run("docker", "run", "--rm", image)

    assert result.returncode == 1
    (sentence,) = result.stderr.splitlines()
    assert "SQLALCHEMY_DATABASE_URI is not set" in sentence


@pytest.mark.parametrize("prefix", ["", "/team/größe/\n"])
def test_the_health_check_uses_the_prefix(prefix: str, image: str) -> None:
    with run_container(image, "--env", f"SERVICE_PREFIX={prefix}") as name:
        check = ["docker", "exec", name, *HEALTH_CHECK]
        wait_for_output("0", "sh", "-c", '"$@" >/dev/null 2>&1; echo $?', "sh", *check)

        elsewhere = run("docker", "exec", "--env", "SERVICE_PREFIX=elsewhere", name, *HEALTH_CHECK)

    assert elsewhere.returncode == 1


def test_works_with_the_restrictions_of_kubernetes(image: str) -> None:
    """No capabilities and a read-only file system, as in deploy/kubernetes/deployment.yml."""
    confined = ("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")
    uri = f"SQLALCHEMY_DATABASE_URI={UNREACHABLE}"

    with run_container(image, *confined) as name:
        check = ["docker", "exec", name, *HEALTH_CHECK]
        wait_for_output("0", "sh", "-c", '"$@" >/dev/null 2>&1; echo $?', "sh", *check)
    migration = run("docker", "run", "--rm", "--env", uri, *confined, image, "quart", "db", "upgrade")

    assert (migration.returncode, migration.stderr.count("\n")) == (1, 1)
    assert "The database cannot be reached" in migration.stderr


def test_the_health_check_fails_with_a_sentence_if_nothing_answers(image: str) -> None:
    result = run("docker", "run", "--rm", image, *HEALTH_CHECK)

    assert result.returncode == 1
    (sentence,) = result.stderr.splitlines()
    assert "Connection refused" in sentence


def test_compose_migrates_before_it_serves(composition: Composition) -> None:
    with httpx.Client(trust_env=False, timeout=START_TIMEOUT) as http:
        created = http.post(f"{composition.url}/v1/todo", json={"title": "a"})
        ready = http.get(f"{composition.url}/health/ready")

    assert read_output(*composition.state_command("migration", "ExitCode")) == "0"
    assert (created.status_code, ready.status_code) == (201, 200)


def test_compose_restricts_every_container(composition: Composition) -> None:
    inspect = "{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}} {{.HostConfig.SecurityOpt}}"

    for name in ("database", "migration", "service"):
        restrictions = read_output("docker", "inspect", "--format", inspect, composition.container(name))
        assert restrictions == "true [ALL] [no-new-privileges:true]", name
    written = run(*composition.compose, "exec", "-T", "service", "touch", "/app/file", folder=composition.project)
    assert (written.returncode, "Read-only file system" in written.stderr) == (1, True)
    composition.run("exec", "-T", "service", "python", "-c", "import tempfile; tempfile.TemporaryFile()")


def test_publishes_its_port_only_on_this_machine(composition: Composition) -> None:
    published = read_output("docker", "port", composition.container("service"))

    assert published == f"7000/tcp -> 127.0.0.1:{composition.port}"
    assert read_output("docker", "port", composition.container("database")) == ""


def test_commands_in_a_container_switch_maintenance(composition: Composition) -> None:
    """The user in the container has no name, although the commands record who switched."""
    quart = ("exec", "-T", "service", "quart")
    with httpx.Client(trust_env=False, timeout=START_TIMEOUT) as http:
        on = composition.run(*quart, "activate_maintenance_mode", "--duration", "30m")
        wait_until(lambda: http.get(f"{composition.url}/v1/todo").status_code == 503)
        off = composition.run(*quart, "deactivate_maintenance_mode")
        wait_until(lambda: http.get(f"{composition.url}/v1/todo").status_code == 200)

    assert on.startswith("Maintenance mode is active. Since: ")
    assert off == "Maintenance mode is inactive."


def test_waits_for_the_request_in_flight_when_it_stops(composition: Composition) -> None:
    """The last test, because it stops the service."""
    with ThreadPoolExecutor() as pool, httpx.Client(trust_env=False, timeout=START_TIMEOUT) as http:
        # Started before the statements they wait for, because starting takes seconds, and the lock lasts only a few.
        locked, waiting = (
            pool.submit(read_output, *composition.psql_command(WAIT.format(each))) for each in (LOCKED, WAITING)
        )
        lock = pool.submit(read_output, *composition.psql_command(LOCK))
        locked.result()
        request = pool.submit(http.post, f"{composition.url}/v1/todo", json={"title": "late"})
        waiting.result()

        composition.run("stop", "service")
        stopped = time.time()

        assert request.result().status_code == 201
        assert float(lock.result()) < stopped
    assert read_output(*composition.state_command("service", "ExitCode")) == "0"
