"""A signal that stops a service cuts no request, not even one whose client has closed its sending side."""

import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from socket import SHUT_WR, create_connection

import pytest

from support.applications import add_controller
from support.nightly import first_unless_nightly
from support.postgres import Postgres
from support.raw_http import encode, receive_all, receive_head, statuses
from support.service import HYPERCORN, Commands
from support.template import Generate
from support.waiting import wait_until

SLOW = encode("GET /lifetime/seconds/3")


@pytest.fixture(name="lifetime_project", scope="module")
def _lifetime_project(generate: Generate) -> Path:
    project = generate()
    add_controller(project, "lifetime")
    return project


@pytest.fixture(name="uri", scope="module")
def _uri(postgres: Postgres) -> str:
    return postgres.create_database()


@pytest.mark.parametrize("worker_class", first_unless_nightly(["uvloop", "asyncio"]))
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_answers_requests_in_flight(
    number: signal.Signals, worker_class: str, lifetime_project: Path, commands: Commands, uri: str
) -> None:
    hypercorn = [*HYPERCORN, "--worker-class", worker_class]
    settings = {"SQLALCHEMY_DATABASE_URI": uri, "SHUTDOWN_DRAIN_SECONDS": "1"}
    with commands.serve(lifetime_project, *hypercorn, **settings) as service, ExitStack() as stack:
        address = ("127.0.0.1", service.port)
        normal, half_closed, idle = (stack.enter_context(create_connection(address, timeout=30)) for _ in range(3))
        normal.sendall(SLOW)
        half_closed.sendall(SLOW)
        half_closed.shutdown(SHUT_WR)
        idle.sendall(encode("GET /health/live"))
        receive_head(idle)
        wait_until(lambda: service.output.count("begun") == 2)
        with ThreadPoolExecutor() as pool:
            code = pool.submit(service.stop, number)

            assert statuses(receive_all(normal)) == [200]
            assert statuses(receive_all(half_closed)) == [200]
            assert receive_all(idle).count(b"HTTP/1.1") == 0
            assert code.result() == 0
        assert "Traceback" not in service.output


def test_ignores_sighup_if_it_was_started_so(lifetime_project: Path, commands: Commands, uri: str) -> None:
    with commands.serve(lifetime_project, "nohup", *HYPERCORN, SQLALCHEMY_DATABASE_URI=uri) as service:
        service.process.send_signal(signal.SIGHUP)

        assert service.get("/lifetime/seconds/1").status_code == 200
        assert service.process.poll() is None
