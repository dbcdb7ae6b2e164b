"""The nginx of docs/reverse-proxy.md in front of Hypercorn, from the point of view of the service and of clients."""

import json
import re
import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from socket import create_connection
from socket import socket as new_socket
from socketserver import BaseRequestHandler, TCPServer
from threading import Thread
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from support.instances import ACTIVE, INACTIVE, SERVICE_CONTEXT
from support.nginx import HOST, RunNginx
from support.proxied_services import PAGE, SMALL_LIMIT, Services, Site
from support.service import START_TIMEOUT
from support.waiting import wait_until

PROXY = "127.0.0.1"
CLIENT = "127.0.0.2" if sys.platform == "linux" else PROXY  # other systems assign only 127.0.0.1 to loopback
FORGED = {
    "X-Forwarded-For": "6.6.6.6",
    "X-Forwarded-Proto": "http",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Port": "666",
    "X-Forwarded-Prefix": "/evil",
    "Forwarded": "for=6.6.6.6;proto=http;host=evil.example",
}
LIMIT = 1024 * 1024  # bytes, MAX_CONTENT_LENGTH
JSON = {"Content-Type": "application/json"}


@pytest.fixture(name="root")
def _root(sites: dict[str, Site]) -> Site:
    return sites["at the root"]


@pytest.fixture(name="http")
def _http(site: Site) -> Iterator[httpx.Client]:
    with site.nginx.client(CLIENT) as client:
        yield client


@contextmanager
def connect_websocket(site: Site, headers: dict[str, str] | None = None) -> Iterator[ClientConnection]:
    url = f"{site.url}/connection/socket".replace("https", "wss")
    trust, source = site.nginx.trust, create_connection((PROXY, site.nginx.port), source_address=(CLIENT, 0))
    with connect(url, sock=source, ssl=trust, additional_headers=headers, proxy=None) as connection:
        yield connection


def is_seen_as_sent(site: Site, seen: dict[str, Any], scheme: str = "https") -> bool:
    url = f"{site.url}/connection"
    expected = {"client": CLIENT, "path": f"{site.prefix}/connection", "external_url": url}
    return expected.items() <= seen.items() and seen["url"].startswith(url.replace("https", scheme))


@pytest.mark.parametrize("headers", [{}, FORGED], ids=["honest", "forged"])
def test_the_service_sees_the_address_of_the_client_despite_forged_headers(
    site: Site, http: httpx.Client, headers: dict[str, str]
) -> None:
    assert is_seen_as_sent(site, http.get(f"{site.url}/connection", headers=headers).json())
    with connect_websocket(site, headers) as connection:
        assert is_seen_as_sent(site, json.loads(connection.recv(timeout=10)), "wss")
        connection.send("hello")
        assert connection.recv(timeout=10) == "hello"


def test_redirects_errors_and_openapi_contain_the_whole_path(site: Site, http: httpx.Client) -> None:
    moved = http.get(f"{site.url}/connection/moved")
    problem = http.get(f"{site.url}/nowhere").json()
    openapi = http.get(f"{site.url}/openapi.json").json()

    assert (moved.status_code, urljoin(f"{site.url}/connection/moved", moved.headers["Location"])) == (
        302,
        f"{site.url}/connection",
    )
    assert problem["instance"] == f"{site.prefix}/nowhere"
    assert openapi["servers"] == [{"url": site.prefix or "/"}]


def test_the_api_page_links_to_its_document(site: Site, http: httpx.Client) -> None:
    page = http.get(f"{site.url}/docs")
    (link,) = set(re.findall(r"""["']([^"']*openapi\.json)["']""", page.text))

    assert http.get(urljoin(str(page.url), link)).json()["openapi"]


@pytest.fixture(name="window")
def _window(site: Site) -> Iterator[None]:
    switch = f"{site.service_prefix}{SERVICE_CONTEXT}"
    site.service.http.patch(switch, json=ACTIVE)
    yield
    site.service.http.patch(switch, json=INACTIVE)


@pytest.mark.usefixtures("window")
def test_passes_on_refusals_of_a_window_and_exempt_routes(site: Site, http: httpx.Client) -> None:
    direct = site.service.get(f"{site.service_prefix}/connection")

    refused = http.get(f"{site.url}/connection")
    posted = http.post(f"{site.url}/connection", content=b"x" * 100_000)

    assert (refused.status_code, direct.status_code, posted.status_code) == (503, 503, 503)
    assert refused.content == direct.content == posted.content
    own = {name: value for name, value in direct.headers.items() if name not in ("date", "x-request-id")}
    assert own["x-maintenance-mode"] == "1"
    assert own.items() <= dict(refused.headers).items()
    for path in (SERVICE_CONTEXT, f"{SERVICE_CONTEXT}/", "/health/live"):
        assert http.get(f"{site.url}{path}").status_code == 200


@pytest.mark.usefixtures("window")
def test_passes_on_the_refusal_of_a_websocket_during_a_window(site: Site) -> None:
    with pytest.raises(InvalidStatus) as refusal, connect_websocket(site):
        pass

    response = refusal.value.response
    assert (response.status_code, response.headers["X-Maintenance-Mode"]) == (503, "1")


def test_trusts_no_headers_if_no_proxy_is_configured(services: Services, run_nginx: RunNginx) -> None:
    service = services[""]
    nginx = run_nginx(PAGE, service.port)

    with nginx.client(CLIENT) as http:
        proxied = http.get("/connection").json()
    honest, forged = (service.http.get("/connection", headers=headers).json() for headers in ({}, FORGED))

    assert (proxied["client"], proxied["url"]) == (PROXY, f"http://{HOST}/connection")
    assert honest == forged


def test_keeps_connections_to_the_service(services: Services, run_nginx: RunNginx) -> None:
    nginx = run_nginx(PAGE, services[""].port)
    ports = set()

    for _ in range(3):
        with nginx.client() as http:
            ports.add(http.get("/connection").json()["port"])

    assert len(ports) == 1


def test_refuses_other_hosts(root: Site) -> None:
    with root.nginx.client() as http:
        for headers in ({"Host": "evil.example"}, {"Host": f"evil.example:{root.nginx.port}"}):
            with pytest.raises(httpx.RemoteProtocolError):
                http.get("/connection", headers=headers)
    with pytest.raises(ssl.SSLError), create_connection((PROXY, root.nginx.port)) as plain:
        root.nginx.trust.wrap_socket(plain, server_hostname="evil.example")


def test_redirects_plain_http_to_https(root: Site) -> None:
    url = f"http://{PROXY}:{root.nginx.plain_port}/a?b=c"

    response = httpx.post(url, headers={"Host": HOST}, trust_env=False, timeout=START_TIMEOUT)

    assert (response.status_code, response.headers["Location"]) == (308, f"https://{HOST}/a?b=c")


def test_proxy_and_service_limit_bodies_alike(root: Site, services: Services) -> None:
    too_large = b"x" * (LIMIT + 1)

    with root.nginx.client() as http:
        largest = http.post("/v1/todo", headers=JSON, content=too_large[1:])
        refused = [http.post("/v1/todo", headers=JSON, content=each) for each in (too_large, iter([too_large]))]
    own = services[""].http.post("/v1/todo", headers=JSON, content=b"x" * (SMALL_LIMIT + 1))

    assert (largest.status_code, largest.json()["error_message"]) == (400, "The body is not valid JSON")
    for each in refused:
        assert (each.status_code, each.headers["Content-Type"]) == (413, "application/problem+json")
        assert {**each.json(), "instance": "/v1/todo"} == own.json()


@pytest.mark.parametrize("given", ["", "caller-1"])
def test_both_logs_and_the_answer_have_the_same_request_id(root: Site, given: str) -> None:
    with root.nginx.client() as http:
        answered = http.get("/v1/todo", headers={"X-Request-ID": given} if given else {}).headers["X-Request-ID"]

    wait_until(lambda: f"200 {answered}" in root.nginx.access_log)  # logged after the answer has been sent
    assert root.service.wait_for_events(request_id=answered)
    assert answered == given or not given


def test_passes_on_events_immediately(root: Site) -> None:
    with root.nginx.client() as http, http.stream("GET", "/connection/events") as response:
        chunks = response.iter_text()
        first = next(chunks)
        http.post("/connection/release")

        assert (first, next(chunks)) == ("data: first\n\n", "data: second\n\n")


def test_a_slow_client_does_not_keep_a_request_in_flight(root: Site) -> None:
    plain = create_connection((PROXY, root.nginx.port))
    with root.nginx.trust.wrap_socket(plain, server_hostname=HOST) as client:
        client.sendall(f"GET /connection/large HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())

        wait_until(lambda: root.service.get("/connection/counts").json()["large"] == 1)


def test_does_not_repeat_a_slow_request(root: Site, run_nginx: RunNginx) -> None:
    """The timeouts, 5 s in the page and 60 s by default, are shortened."""
    hurried = PAGE.replace("upstream_timeout 5s;", "upstream_timeout 1s; proxy_read_timeout 2s;")
    nginx = run_nginx(hurried, root.service.port, root.service.port)

    with nginx.client() as http:
        assert http.get("/connection/slow").status_code == 504
    wait_until(lambda: root.service.get("/connection/counts").json()["slow"] >= 1)
    assert root.service.get("/connection/counts").json()["slow"] == 1


@contextmanager
def run_dying_instance() -> Iterator[int]:
    """Yield the port of an instance that accepts requests and closes the connection without an answer."""

    class Dying(BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(65536)

    with TCPServer((PROXY, 0), Dying) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(("method", "status"), [("GET", 200), ("POST", 502)])
def test_repeats_only_safe_requests_if_an_instance_dies(
    root: Site, run_nginx: RunNginx, method: str, status: int
) -> None:
    path = "/v1/todo" if method == "GET" else "/connection/release"
    with run_dying_instance() as port:
        nginx = run_nginx(PAGE, port, root.service.port)
        with nginx.client() as http:
            assert http.request(method, path).status_code == status
            assert http.request(method, path).status_code == 200


def test_fails_no_request_if_an_instance_is_gone(root: Site, run_nginx: RunNginx) -> None:
    with new_socket() as gone:
        gone.bind((PROXY, 0))  # reserves a port on which nobody listens
        nginx = run_nginx(PAGE, gone.getsockname()[1], root.service.port)
        with nginx.client() as http:
            assert [http.post("/connection/release").status_code for _ in range(4)] == [200] * 4
