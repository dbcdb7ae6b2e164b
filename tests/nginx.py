"""Runs nginx with a configuration out of a page, in front of services under test.

A pytest plugin: a test module asks for its fixture by `pytest_plugins = ["service", "nginx"]`.
PYTEST_DONT_REWRITE, for it is imported before it is a plugin, and asserts nothing.
"""

import os
import shutil
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from socket import create_connection

import httpx
import pytest
from engine import refuse
from service import TO_START, free_port

HOST = "localhost"
PATH = f"{os.environ['PATH']}{os.pathsep}/usr/sbin{os.pathsep}/usr/local/sbin"
# One process that runs as whoever tests, with all that it writes in its own folder.
MAIN = """
daemon off;
master_process off;
pid nginx.pid;
error_log stderr;
events {}
http {
    log_format passed "$status $passed_request_id";
    access_log access.log passed;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
%s
}
"""
CERTIFICATE = (
    *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"),
    *("-subj", f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST}", "-keyout", "key.pem", "-out", "cert.pem"),
)


@dataclass(frozen=True)
class Nginx:
    """A running one; `port` is that with TLS, and the client knows its certificate."""

    folder: Path
    port: int
    plain_port: int

    @property
    def url(self) -> str:
        return f"https://{HOST}:{self.port}"

    @cached_property
    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.folder / "cert.pem")

    @contextmanager
    def client(self, address: str | None = None) -> Iterator[httpx.Client]:
        """Asks from this address of the machine."""
        transport = httpx.HTTPTransport(verify=self.trust, local_address=address)
        with httpx.Client(base_url=self.url, transport=transport, timeout=TO_START) as client:
            yield client

    @property
    def passed(self) -> list[str]:
        """Status and passed request id of each request so far."""
        return (self.folder / "access.log").read_text(encoding="utf-8").splitlines()


RunNginx = Callable[..., Nginx]


@pytest.fixture(name="run_nginx", scope="session")
def _run_nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunNginx]:
    """`run_nginx(configuration, *ports)` runs it in front of these services, until the end."""
    missing = [program for program in ("nginx", "openssl") if not shutil.which(program, path=PATH)]
    if missing:
        refuse(f"NO {' AND NO '.join(missing).upper()}: no reverse proxy is tested")
    with ExitStack() as stack:

        def run(configuration: str, *services: int) -> Nginx:
            nginx = Nginx(tmp_path_factory.mktemp("nginx"), free_port(), free_port())
            stack.enter_context(_running(nginx, configuration, services))
            return nginx

        yield run


@contextmanager
def _running(nginx: Nginx, configuration: str, services: Sequence[int]) -> Iterator[None]:
    subprocess.run(CERTIFICATE, cwd=nginx.folder, check=True, capture_output=True)
    (nginx.folder / "nginx.conf").write_text(MAIN % _adapted(nginx, configuration, services), encoding="utf-8")
    command = ["nginx", "-p", str(nginx.folder), "-c", "nginx.conf", "-e", "stderr"]
    with (nginx.folder / "error.log").open("wb") as log:
        process = subprocess.Popen(command, env={"PATH": PATH}, stderr=log)
        try:
            _wait_for(nginx, process)
            yield
        finally:
            process.terminate()
            process.wait()


def _adapted(nginx: Nginx, configuration: str, services: Sequence[int]) -> str:
    """With names of this machine where the page has those of its reader."""
    here = {
        "listen 443 ": f"listen 127.0.0.1:{nginx.port} ",
        "listen 80;": f"listen 127.0.0.1:{nginx.plain_port};",
        "/etc/ssl/certs/api.example.com.pem": "cert.pem",
        "/etc/ssl/private/api.example.com.key": "key.pem",
        "api.example.com": HOST,
        "server 127.0.0.1:7000;": "".join(f"server 127.0.0.1:{port};" for port in services),
    }
    for name, replacement in here.items():
        if name not in configuration:
            raise ValueError(f"The page says {name} nowhere")
        configuration = configuration.replace(name, replacement)
    return configuration


def _wait_for(nginx: Nginx, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + TO_START
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(ConnectionRefusedError), create_connection(("127.0.0.1", nginx.port)):
            return
        time.sleep(0.01)
    raise RuntimeError((nginx.folder / "error.log").read_text(encoding="utf-8"))
