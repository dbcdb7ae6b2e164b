"""Two instances on one machine: the systemd unit and the `upstream` of docs/scaling-out.md, behind a real nginx."""

import re
import shlex
import shutil
import subprocess
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from configparser import ConfigParser
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event

import pytest

from support import nginx
from support.containers import skip_or_fail
from support.database_server import Database
from support.instances import ACTIVE, INACTIVE, SERVICE_CONTEXT
from support.nginx import Nginx, RunNginx
from support.pgbouncer import fragment
from support.ports import free_port
from support.postgres import Postgres
from support.proxied_services import PAGE as NGINX_OF_ONE_INSTANCE
from support.report import note
from support.service import Commands, Service
from support.template import TEMPLATE
from support.waiting import wait_until

pytestmark = pytest.mark.alone

UPSTREAM = re.compile(r"^upstream service \{.*?^\}\n", re.DOTALL | re.MULTILINE)
SERVERS = re.compile(r"(?:    server 127\.0\.0\.1:\d+;\n)+")
PORT = re.compile(r"127\.0\.0\.1:(70\d\d);")
CLIENTS = 10
DRAIN_SECONDS = 3


def nginx_configuration() -> str:
    """The configuration of docs/reverse-proxy.md with the `upstream` of docs/scaling-out.md.

    It has one server, which `run_nginx` replaces by those of the test.
    """
    upstream, count = SERVERS.subn("    server 127.0.0.1:7000;\n", fragment("upstream service"))
    configuration, replaced = UPSTREAM.subn(upstream, NGINX_OF_ONE_INSTANCE)
    assert (count, replaced) == (1, 1)
    return configuration


class Instances:
    """Two running instances by their ports, and the nginx in front of them."""

    def __init__(self, start: Callable[[int], Service], run_nginx: RunNginx) -> None:
        self.ports = [free_port(), free_port()]
        self._start = start
        with ThreadPoolExecutor(len(self.ports)) as pool:
            self.by_port = dict(zip(self.ports, pool.map(start, self.ports), strict=True))
        self.nginx = run_nginx(nginx_configuration(), *self.ports)

    @property
    def both(self) -> tuple[Service, Service]:
        one, two = (self.by_port[port] for port in self.ports)
        return one, two

    def restart(self, port: int) -> int:
        """Stop the instance with SIGTERM and start it again; return its exit code."""
        code = self.by_port[port].stop()
        self.by_port[port] = self._start(port)
        return code


@pytest.fixture(name="uri", scope="module")
def _uri(postgres: Postgres) -> str:
    return postgres.create_database()


@pytest.fixture(name="unit", scope="module")
def _unit() -> ConfigParser:
    unit = ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(fragment("[Service]"))
    return unit


@pytest.fixture(name="instances", scope="module")
def _instances(
    unit: ConfigParser, project: Path, commands: Commands, uri: str, run_nginx: RunNginx
) -> Iterator[Instances]:
    command = unit["Service"]["ExecStart"].replace("/srv/my-service/.venv/bin/", "").replace("%i", "{port}")
    settings = {
        "APP_ENV": "development",
        "LOG_FORMAT": "json",
        "PROXY_HOPS": "1",
        "SHUTDOWN_DRAIN_SECONDS": str(DRAIN_SECONDS),
        "SQLALCHEMY_DATABASE_URI": uri,
    }

    def start(port: int) -> Service:
        words = shlex.split(command)
        return stack.enter_context(commands.serve(project, *words, answers="/health/ready", port=str(port), **settings))

    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        patch.setattr(nginx, "MAIN", nginx.MAIN.replace("master_process off;", "user root;"))  # only a master reloads
        yield Instances(start, run_nginx)


class Clients:
    """Threads that send requests through nginx, each on a new connection, until they are stopped."""

    def __init__(self, nginx: Nginx, calls: list[tuple[str, Mapping[str, str] | None]]) -> None:
        self.statuses: Counter[tuple[str, int]] = Counter()
        self._nginx = nginx
        self._calls = calls
        self._enough = Event()

    @contextmanager
    def run(self) -> Iterator[None]:
        """Raise at the end what a client raised, for instance because a connection was cut off."""
        with ThreadPoolExecutor(CLIENTS) as pool:
            clients = [pool.submit(self._send_requests) for _ in range(CLIENTS)]
            try:
                yield
            finally:
                self._enough.set()
            for client in clients:
                client.result()

    def _send_requests(self) -> None:
        with self._nginx.client() as http:
            http.headers["Connection"] = "close"
            while not self._enough.is_set():
                for method, body in self._calls:
                    status = http.request(method, "/v1/todo", json=body).status_code
                    self.statuses[method, status] += 1


def count_requests(service: Service) -> int:
    return len(service.events(event="request", path="/v1/todo"))


def test_both_instances_serve(instances: Instances) -> None:
    with instances.nginx.client() as http:
        statuses = {http.get("/v1/todo").status_code for _ in range(10)}

    assert statuses == {200}
    wait_until(lambda: all(count_requests(service) > 0 for service in instances.both))


def test_a_window_that_one_instance_activates_closes_the_gate_of_the_other(instances: Instances) -> None:
    one, two = instances.both
    with instances.nginx.client() as http:
        assert one.http.patch(SERVICE_CONTEXT, json=ACTIVE).status_code == 200
        wait_until(lambda: two.get("/v1/todo").status_code == 503)
        refused = [http.get("/v1/todo") for _ in range(10)]

        assert two.http.patch(SERVICE_CONTEXT, json=INACTIVE).status_code == 200
        wait_until(lambda: one.get("/v1/todo").status_code == 200)
        served = [http.get("/v1/todo") for _ in range(10)]

    assert {(each.status_code, each.headers["X-Maintenance-Mode"]) for each in refused} == {(503, "1")}
    assert {each.status_code for each in served} == {200}


def test_the_restarts_that_the_page_shows_fail_no_request(
    instances: Instances, commands: Commands, uri: str, tmp_path: Path
) -> None:
    database = Database(commands, uri)
    before = int(database.query("SELECT count(*) FROM todo"))
    clients = Clients(instances.nginx, [("GET", None), ("POST", {"title": "a"})])

    with clients.run():
        wait_until(lambda: clients.statuses.total() > 100)
        with run_restart_loop(instances, tmp_path) as loop:
            codes = [restart_on_request(instances, port, tmp_path) for port in instances.ports]
            assert loop.wait(60) == 0
        requests_before_return = count_requests(instances.both[1])
        wait_until(lambda: count_requests(instances.both[1]) > requests_before_return)

    written = clients.statuses["POST", 201]
    assert codes == [0, 0]
    assert set(clients.statuses) == {("GET", 200), ("POST", 201)}
    assert int(database.query("SELECT count(*) FROM todo")) - before == written
    total = clients.statuses.total()
    note(f"restart of 2 instances behind nginx: {total} requests, {written} of them POST, all served")


@contextmanager
def run_restart_loop(instances: Instances, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run the loop of the page; its programs `nginx` and `systemctl` are scripts of this test."""
    configuration = instances.nginx.folder / "nginx.conf"
    loop = fragment("systemctl restart").replace("/etc/nginx/conf.d/service.conf", str(configuration))
    loop, count = re.subn(r"(?<=for port in )[\d ]+(?=;)", " ".join(map(str, instances.ports)), loop)
    assert count == 1
    reload = f'[ "$*" = "-s reload" ] && kill -HUP $(cat {instances.nginx.folder}/nginx.pid)'
    restart = f'cd {folder}; touch "request $*"; until [ -e "done $*" ]; do sleep 0.02; done'
    for name, script in {"nginx": reload, "systemctl": restart}.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        (folder / name).chmod(0o755)
    with subprocess.Popen(["sh", "-e", "-c", f'PATH="{folder}:$PATH"\n{loop}']) as process:
        try:
            yield process
        finally:
            process.terminate()


def restart_on_request(instances: Instances, port: int, folder: Path) -> int:
    """Restart as systemd does; nginx must have stopped sending requests long before the instance stops listening."""
    wait_until((folder / f"request restart my-service@{port}").exists)
    service = instances.by_port[port]
    code = instances.restart(port)
    (folder / f"done restart my-service@{port}").touch()
    (draining,) = service.events(event="draining")
    stopped_listening = datetime.fromisoformat(draining["timestamp"]) + timedelta(seconds=DRAIN_SECONDS)
    last_request = datetime.fromisoformat(service.events(event="request", path="/v1/todo")[-1]["timestamp"])
    assert last_request < stopped_listening - timedelta(seconds=1)
    return code


def test_a_restart_without_preparation_fails_no_get_request(instances: Instances) -> None:
    clients, stopped = Clients(instances.nginx, [("GET", None)]), instances.both[0]

    with clients.run():
        wait_until(lambda: clients.statuses.total() > 100)
        code = instances.restart(instances.ports[0])

    assert code == 0
    errors = [service.events(level="error") for service in (stopped, *instances.both)]
    assert set(clients.statuses) == {("GET", 200)}, errors


def test_systemd_accepts_the_unit(tmp_path: Path, commands: Commands) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        skip_or_fail("NO SYSTEMD-ANALYZE HERE: the unit of docs/scaling-out.md is not checked")
    text = fragment("[Service]").replace("/srv/my-service/.venv/bin", str(commands.folder))
    unit, misspelt = tmp_path / "my-service@.service", tmp_path / "misspelt@.service"
    unit.write_text(text, encoding="utf-8")
    misspelt.write_text(text.replace("RestartSec", "RestartSeconds"), encoding="utf-8")

    accepted, refused = (
        subprocess.run([program, "verify", file], capture_output=True, text=True, check=False)
        for file in (unit, misspelt)
    )

    assert (accepted.returncode, accepted.stderr) == (0, "")
    assert "Unknown key" in refused.stderr


def test_systemd_waits_longer_than_an_instance_needs_to_stop(unit: ConfigParser) -> None:
    server = tomllib.loads((TEMPLATE / "hypercorn.toml").read_text(encoding="utf-8"))
    drain = re.search(r"^SHUTDOWN_DRAIN_SECONDS=(\d+)$", (TEMPLATE / ".env.example").read_text("utf-8"), re.MULTILINE)

    assert drain
    assert int(unit["Service"]["TimeoutStopSec"]) > int(drain[1]) + server["graceful_timeout"]


def test_all_parts_of_the_page_name_the_same_ports() -> None:
    ports = PORT.findall(fragment("upstream service"))

    assert len(ports) == 4
    assert f"for port in {' '.join(ports)}; do" in fragment("systemctl restart")
    assert f"enable --now {' '.join(f'my-service@{port}' for port in ports)}\n" in fragment("systemctl enable")
    assert f"PORT={ports[0]}-{ports[-1]} " in fragment("--scale")
    assert f"--scale service={len(ports)}\n" in fragment("--scale")


def test_compose_takes_the_variables_of_the_page() -> None:
    compose = (TEMPLATE / "docker-compose.yml").read_text("utf-8")

    assert 'ports: ["127.0.0.1:${PORT:-7000}:7000"]' in compose
    assert "PROXY_HOPS: ${PROXY_HOPS:-0}\n" in compose
