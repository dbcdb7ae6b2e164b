"""Runs nginx with a configuration from the documentation, in front of services under test; a pytest plugin."""

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

from support.containers import skip_or_fail
from support.ports import free_port
from support.service import START_TIMEOUT

HOST = "localhost"
PATH = f"{os.environ['PATH']}{os.pathsep}/usr/sbin{os.pathsep}/usr/local/sbin"
# A single process with the rights of the current user, which writes only into its own folder.
MAIN = """
daemon off;
master_process off;
pid nginx.pid;
error_log stderr;
events {}
http {
    log_format forwarded "$status $passed_request_id";
    access_log access.log forwarded;
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
    """A running nginx; `port` is the one with TLS, whose certificate the client trusts."""

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
        """A client that connects from this address of the machine."""
        transport = httpx.HTTPTransport(verify=self.trust, local_address=address)
        with httpx.Client(base_url=self.url, transport=transport, timeout=START_TIMEOUT) as client:
            yield client

    @property
    def access_log(self) -> list[str]:
        """For each request so far its status and the request id that was passed to the service."""
        return (self.folder / "access.log").read_text(encoding="utf-8").splitlines()


RunNginx = Callable[..., Nginx]


@pytest.fixture(name="run_nginx", scope="session")
def _run_nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunNginx]:
    """`run_nginx(configuration, *ports)` runs an nginx in front of these services until the end of the session."""
    missing = [program for program in ("nginx", "openssl") if not shutil.which(program, path=PATH)]
    if missing:
        skip_or_fail(f"NO {' AND NO '.join(missing).upper()}: the reverse proxy is not tested")
    with ExitStack() as stack:

        def run(configuration: str, *services: int) -> Nginx:
            nginx = Nginx(tmp_path_factory.mktemp("nginx"), free_port(), free_port())
            stack.enter_context(run_process(nginx, configuration, services))
            return nginx

        yield run


@contextmanager
def run_process(nginx: Nginx, configuration: str, services: Sequence[int]) -> Iterator[None]:
    subprocess.run(CERTIFICATE, cwd=nginx.folder, check=True, capture_output=True)
    (nginx.folder / "nginx.conf").write_text(MAIN % adapt(nginx, configuration, services), encoding="utf-8")
    command = ["nginx", "-p", str(nginx.folder), "-c", "nginx.conf", "-e", "stderr"]
    with (nginx.folder / "error.log").open("wb") as log:
        process = subprocess.Popen(command, env={"PATH": PATH}, stderr=log)
        try:
            wait_for_port(nginx, process)
            yield
        finally:
            process.terminate()
            process.wait()


def adapt(nginx: Nginx, configuration: str, services: Sequence[int]) -> str:
    """Replace the names of the page by those of this machine."""
    replacements = {
        "listen 443 ": f"listen 127.0.0.1:{nginx.port} ",
        "listen 80;": f"listen 127.0.0.1:{nginx.plain_port};",
        "/etc/ssl/certs/api.example.com.pem": "cert.pem",
        "/etc/ssl/private/api.example.com.key": "key.pem",
        "api.example.com": HOST,
        "server 127.0.0.1:7000;": "".join(f"server 127.0.0.1:{port};" for port in services),
    }
    for name, replacement in replacements.items():
        if name not in configuration:
            raise ValueError(f"The page does not contain {name}")
        configuration = configuration.replace(name, replacement)
    return configuration


def wait_for_port(nginx: Nginx, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(ConnectionRefusedError), create_connection(("127.0.0.1", nginx.port)):
            return
        time.sleep(0.01)
    raise RuntimeError((nginx.folder / "error.log").read_text(encoding="utf-8"))
