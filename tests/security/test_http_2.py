"""HTTP/2 is refused on a plain port and not offered over TLS: that is the job of the proxy that terminates TLS."""

import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from socket import create_connection

import pytest

from support.nginx import CERTIFICATE, HOST
from support.ports import free_port
from support.raw_http import HTTP_2_PREFACE, frame, receive_all, statuses
from support.report import note
from support.service import HYPERCORN, UNREACHABLE, Commands, Service
from support.template import Generate

HEADERS = bytes.fromhex("8286840161")  # :method GET, :scheme http, :path /, and a truncated :authority
RESETS = b"".join(frame(1, stream, HEADERS, flags=5) + frame(3, stream, bytes(4)) for stream in range(1, 2000, 2))
ATTACKS = {
    "preface only": HTTP_2_PREFACE,
    "settings": HTTP_2_PREFACE + frame(4, 0),
    "rapid resets": HTTP_2_PREFACE + frame(4, 0) + RESETS,
    "another version": b"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
}
ALPN = 'alpn_protocols = ["http/1.1"]'


@pytest.fixture(name="service", scope="module")
def _service(project: Path, commands: Commands) -> Iterator[Service]:
    settings = {"APP_ENV": "production", "LOG_FORMAT": "json"}
    with commands.serve(project, SQLALCHEMY_DATABASE_URI=UNREACHABLE, **settings) as service:
        yield service


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_refuses_http_2_at_once(service: Service, attack: bytes) -> None:
    with create_connection(("127.0.0.1", service.port), timeout=30) as client, suppress(ConnectionError):
        client.sendall(attack)
        answer = receive_all(client)

        assert statuses(answer) in ([505], [])  # nothing, if the rest of an attack meets a closed connection
        assert b"\0\0" not in answer  # which every frame has


def test_stays_fast_and_silent_during_an_attack(service: Service) -> None:
    """The attack resets a thousand streams on each of many connections."""
    before, errors = len(service.output.splitlines()), service.events(level="error")
    seconds, end, connections = [], time.monotonic() + 5, 0

    while time.monotonic() < end:
        for _ in range(20):
            with create_connection(("127.0.0.1", service.port)) as client, suppress(ConnectionError):
                client.sendall(ATTACKS["rapid resets"])
            connections += 1
        started = time.monotonic()
        assert service.get("/health/live").status_code == 200
        seconds.append(time.monotonic() - started)

    lines = [line for line in service.output.splitlines()[before:] if "/health/live" not in line]
    assert len(lines) <= 1, lines
    assert service.events(level="error") == errors
    assert "Traceback" not in service.output
    assert max(seconds) < 2
    note(f"{connections} connections of rapid resets in 5 s: /health/live after {max(seconds):.3f} s at most")


@pytest.mark.parametrize(("setting", "protocol"), [(ALPN, "http/1.1"), (ALPN.replace("[", '["h2", '), "h2")])
def test_offers_http_2_over_tls_only_if_a_setting_asks_for_it(
    generate: Generate, commands: Commands, setting: str, protocol: str
) -> None:
    project = generate()
    subprocess.run(CERTIFICATE, cwd=project, check=True, capture_output=True)
    settings = project / "hypercorn.toml"
    text = settings.read_text(encoding="utf-8")
    assert ALPN in text
    settings.write_text(text.replace(ALPN, setting), encoding="utf-8")
    tls_port = free_port()
    tls = ["--bind", f"127.0.0.1:{tls_port}", "--certfile", "cert.pem", "--keyfile", "key.pem"]
    plain = [word.replace("--bind", "--insecure-bind") for word in HYPERCORN]  # for the helper, which waits for it
    context = ssl.create_default_context(cafile=project / "cert.pem")
    context.set_alpn_protocols(["h2", "http/1.1"])

    with (
        commands.serve(project, *plain, *tls, SQLALCHEMY_DATABASE_URI=UNREACHABLE),
        create_connection(("127.0.0.1", tls_port)) as client,
        context.wrap_socket(client, server_hostname=HOST) as connection,
    ):
        assert connection.selected_alpn_protocol() == protocol
