"""Runs HAProxy with a configuration from the documentation, in front of services under test; a pytest plugin."""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from socket import create_connection

import pytest

from support.containers import skip_or_fail
from support.nginx import CERTIFICATE, HOST, PATH
from support.ports import free_port
from support.service import START_TIMEOUT


@dataclass(frozen=True)
class HAProxy:
    """A running HAProxy; the certificate of its TLS port is in `folder`, as that of the nginx of these tests."""

    folder: Path
    port: int


RunHAProxy = Callable[..., HAProxy]


@pytest.fixture(name="run_haproxy", scope="session")
def _run_haproxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunHAProxy]:
    """`run_haproxy(configuration, port)` runs an HAProxy in front of this service until the end of the session."""
    if not shutil.which("haproxy", path=PATH):
        skip_or_fail("NO HAPROXY: the reverse proxy is not tested")
    with ExitStack() as stack:

        def run(configuration: str, service: int) -> HAProxy:
            haproxy = HAProxy(tmp_path_factory.mktemp("haproxy"), free_port())
            stack.enter_context(run_process(haproxy, configuration, service))
            return haproxy

        yield run


@contextmanager
def run_process(haproxy: HAProxy, configuration: str, service: int) -> Iterator[None]:
    subprocess.run(CERTIFICATE, cwd=haproxy.folder, check=True, capture_output=True)
    pem = haproxy.folder / "both.pem"
    pem.write_bytes((haproxy.folder / "cert.pem").read_bytes() + (haproxy.folder / "key.pem").read_bytes())
    file = haproxy.folder / "haproxy.cfg"
    file.write_text(adapt(configuration, haproxy, service), encoding="utf-8")
    process = subprocess.Popen(["haproxy", "-db", "-f", str(file)], env={"PATH": PATH})
    try:
        wait_for_port(haproxy.port, process)
        yield
    finally:
        process.terminate()
        process.wait()


def adapt(configuration: str, haproxy: HAProxy, service: int) -> str:
    """Replace the addresses and names of the page by those of this machine; only one server remains."""
    lines = [
        line for line in configuration.splitlines() if not line.lstrip().startswith(("server two", "server three"))
    ]
    replacements = {
        "bind :80\n": f"bind 127.0.0.1:{free_port()}\n",
        "bind :443 ": f"bind 127.0.0.1:{haproxy.port} ",
        "bind :8000": f"bind 127.0.0.1:{haproxy.port}",
        "/etc/haproxy/api.example.com.pem": str(haproxy.folder / "both.pem"),
        "api.example.com": HOST,
        "server one 127.0.0.1:7000": f"server one 127.0.0.1:{service}",
        "server one 127.0.0.1:7001": f"server one 127.0.0.1:{service}",
        "option httpchk GET /health/ready\n": "",  # the service may be a socket that records what it receives
        "default-server check inter 1s fall 2 rise 1\n": "",
    }
    text = "\n".join([*lines, ""])
    for name, replacement in replacements.items():
        text = text.replace(name, replacement)
    return text


def wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(ConnectionRefusedError), create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.01)
    raise RuntimeError("HAProxy does not listen; stderr has the reason")
