"""A client cannot make a tunnel past the rules of a proxy: `Upgrade` leads to websockets, and nowhere else."""

import socketserver
from collections.abc import Iterator
from pathlib import Path
from socket import create_connection
from threading import Thread

import httpx
import pytest
from websockets.sync.client import connect

from support.entrances import PROXIES, Entrance, OpenEntrance
from support.nginx import HOST
from support.postgres import Postgres
from support.raw_http import HTTP_2_PREFACE, WEBSOCKET_HEADERS, encode, frame, receive_all, receive_head, statuses
from support.service import Commands, Service

H2C = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__")
CLOSE = "Connection: close"
FORGED = {
    "X-Forwarded-For": "6.6.6.6",
    "X-Forwarded-Proto": "ftp",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Port": "666",
    "X-Forwarded-Prefix": "/evil",
}
FORWARDED = [["websocket"], ["WebSocket"], ["WEBSOCKET"]]
REMOVED = [
    ["h2c"],
    ["H2C"],
    ["TLS/1.0"],
    ["websocket/13"],
    ["h2c, websocket"],
    ["websocket, h2c"],
    [""],
    [],
]
SEVERAL = [["websocket", "h2c"], ["h2c", "websocket"]]


class Recorder(socketserver.ThreadingTCPServer):
    """Answers every request with 200 and keeps the headers of the last one."""

    daemon_threads = True
    allow_reuse_address = True
    head = b""

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def values(self, name: str) -> list[str]:
        lines = [line.partition(":") for line in self.head.decode("latin-1").split("\r\n")]
        return [value.strip() for key, _, value in lines if key.lower() == name]


class Handler(socketserver.BaseRequestHandler):
    server: Recorder

    def handle(self) -> None:
        if head := receive_head(self.request):  # HAProxy connects in advance
            self.server.head = head
            self.request.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


@pytest.fixture(name="recorder", scope="module")
def _recorder() -> Iterator[Recorder]:
    with Recorder(("127.0.0.1", 0), Handler) as recorder:
        thread = Thread(target=recorder.serve_forever, args=[0.01])
        thread.start()
        yield recorder
        recorder.shutdown()
        thread.join()


@pytest.fixture(name="recorded_entrance", scope="module", params=PROXIES)
def _recorded_entrance(request: pytest.FixtureRequest, open_entrance: OpenEntrance, recorder: Recorder) -> Entrance:
    return open_entrance(request.param, recorder.port)


@pytest.fixture(name="service", scope="module")
def _service(probed_project: Path, commands: Commands, postgres: Postgres) -> Iterator[Service]:
    settings = {"APP_ENV": "development", "LOG_FORMAT": "json", "PROXY_HOPS": "1"}
    with commands.serve(probed_project, SQLALCHEMY_DATABASE_URI=postgres.create_database(), **settings) as service:
        yield service


@pytest.fixture(name="entrance", scope="module", params=["direct", *PROXIES])
def _entrance(request: pytest.FixtureRequest, open_entrance: OpenEntrance, service: Service) -> Entrance:
    return open_entrance(request.param, service.port)


@pytest.mark.parametrize("values", FORWARDED, ids=str)
def test_a_proxy_forwards_an_upgrade_to_websockets(
    recorded_entrance: Entrance, recorder: Recorder, values: list[str]
) -> None:
    send_upgrade(recorded_entrance, recorder, values)

    assert [value.lower() for value in recorder.values("upgrade")] == ["websocket"]
    assert "upgrade" in recorder.values("connection")[0].lower()


@pytest.mark.parametrize("values", REMOVED, ids=str)
def test_a_proxy_forwards_no_other_upgrade(recorded_entrance: Entrance, recorder: Recorder, values: list[str]) -> None:
    send_upgrade(recorded_entrance, recorder, values)

    assert recorder.values("upgrade") == []


@pytest.mark.parametrize("values", SEVERAL, ids=str)
def test_a_proxy_forwards_at_most_websocket_of_several_upgrades(
    recorded_entrance: Entrance, recorder: Recorder, values: list[str]
) -> None:
    send_upgrade(recorded_entrance, recorder, values)

    assert recorder.values("upgrade") in ([], ["websocket"])


def send_upgrade(entrance: Entrance, recorder: Recorder, values: list[str]) -> None:
    """Send such a request; the recorder receives nothing if the proxy itself refuses it."""
    recorder.head = b""
    headers = ["Connection: Upgrade", *(f"Upgrade: {value}" for value in values), *WEBSOCKET_HEADERS]
    with entrance.connect() as client:
        client.sendall(encode("GET /", *headers))
        receive_head(client)


def test_no_upgrade_leads_to_http_2(entrance: Entrance) -> None:
    with entrance.connect() as client:
        client.sendall(encode("GET /health/live", *H2C))
        head = receive_head(client)
        client.sendall(HTTP_2_PREFACE + frame(4, 0))
        rest = receive_all(client)

    assert statuses(head) == [200]
    assert statuses(rest) in ([400], [505])


def test_websockets_pass(entrance: Entrance) -> None:
    url = f"{entrance.url}/probe/echo".replace("http", "ws", 1)
    with connect(url, sock=create_connection(("127.0.0.1", entrance.port)), ssl=entrance.tls, proxy=None) as websocket:
        websocket.send("hello")

        assert websocket.recv(timeout=10) == "hello"


def test_haproxy_overwrites_what_a_client_says_about_itself(open_entrance: OpenEntrance, service: Service) -> None:
    entrance = open_entrance("HAProxy", service.port)

    answer = httpx.get(f"{entrance.url}/probe/urls", headers=FORGED, verify=entrance.tls or True, trust_env=False)

    assert answer.json()["url"].startswith(f"https://{HOST}:{entrance.port}/v1/todo/1")


def test_haproxy_closes_connections_to_other_hosts(open_entrance: OpenEntrance, service: Service) -> None:
    entrance = open_entrance("HAProxy", service.port)

    with entrance.connect() as client:
        client.sendall(encode("GET /health/live", CLOSE, host="evil.example"))

        assert receive_all(client) == b""
