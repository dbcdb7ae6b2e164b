"""Ways in which clients reach a service: directly, or through a proxy of the documentation; a pytest plugin."""

import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from support.haproxy import RunHAProxy
from support.nginx import HOST, RunNginx
from support.pages import blocks
from support.template import ROOT

NGINX = next(block.text for block in blocks(ROOT / "docs" / "reverse-proxy.md") if block.language == "nginx")
HAPROXY, SEVERAL_INSTANCES = (
    block.text
    for page in ("reverse-proxy.md", "shutdown.md")
    for block in blocks(ROOT / "docs" / page)
    if block.language == "haproxy"
)
PROXIES = ("nginx", "HAProxy", "HAProxy for several instances")


@dataclass(frozen=True)
class Entrance:
    port: int
    tls: ssl.SSLContext | None = None

    @property
    def url(self) -> str:
        return f"http{'s' if self.tls else ''}://{HOST}:{self.port}"

    def connect(self) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        return self.tls.wrap_socket(connection, server_hostname=HOST) if self.tls else connection


OpenEntrance = Callable[[str, int], Entrance]


@pytest.fixture(name="open_entrance", scope="session")
def _open_entrance(request: pytest.FixtureRequest) -> OpenEntrance:
    """`open_entrance(kind, port)` runs a proxy of this kind, one of `PROXIES` or "direct", in front of a service."""

    def open_entrance(kind: str, port: int) -> Entrance:
        if kind == "direct":
            return Entrance(port)
        if kind == "nginx":
            run_nginx: RunNginx = request.getfixturevalue("run_nginx")
            nginx = run_nginx(NGINX, port)
            return Entrance(nginx.port, nginx.trust)
        run_haproxy: RunHAProxy = request.getfixturevalue("run_haproxy")
        if kind == "HAProxy":
            haproxy = run_haproxy(HAPROXY, port)
            return Entrance(haproxy.port, ssl.create_default_context(cafile=haproxy.folder / "cert.pem"))
        return Entrance(run_haproxy(SEVERAL_INSTANCES, port).port)

    return open_entrance
