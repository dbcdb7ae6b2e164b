"""The header Host is checked before anything looks at it, at a small cost."""

import time

import pytest

from chassis.app import ChassisApp
from chassis.config import ChassisConfig
from chassis.http.hosts import is_host
from chassis.http.proxy_headers import ProxyHeadersMiddleware
from chassis.maintenance.service_context import ServiceContext
from chassis.tests.sample.create_app import create_app
from chassis.tests.security.asgi_client import Answer, ask, scope_of

LABEL = b"a" * 63
HOSTS = [
    b"localhost",
    b"localhost:7000",
    b"LOCALHOST.",
    b"127.0.0.1:7000",
    b"[::1]:7000",
    b"[2001:db8::1]",
    b"[::ffff:127.0.0.1]",
    b"my-service.default.svc.cluster.local",
    b"my_service_1:7000",
    b"xn--bcher-kva.example",
    b"10.0.0.1:65535",
    b"localhost:0",
    b"localhost:",
    b".".join([LABEL] * 3 + [b"a" * 61]) + b":1",  # 255 bytes
]
OTHERS = [
    b"\xc3\xbc" * 32768,
    b"a" * 65536,
    b"a." * 32768,
    b".".join([LABEL] * 3 + [b"a" * 64]),
    b".".join([LABEL] * 4) + b":7",
    b"b\xfccher.example",
    b"a..b",
    b".a",
    b".",
    b":7000",
    b"a" * 64,
    b"a b",
    b"a\tb",
    b"a/b",
    b"a\\b",
    b"user@a",
    b"a?b",
    b"a#b",
    b"a,b",
    b"<a>",
    b"a:b",
    b"a:-1",
    b"a:65536",
    b"a:123456",
    b"a:1:2",
    b"::1",
    b"[::1",
    b"[]",
    b"[:::]",
    b"[::1]a",
    b"[fe80::1%25eth0]",
    b"a\0",
]
LIVE = "/health/live"


@pytest.mark.parametrize("host", HOSTS)
async def test_answers_usual_hosts(app: ChassisApp, host: bytes) -> None:
    answer = await ask(app, "GET", LIVE, [(b"host", host)])

    assert answer.status == 200


@pytest.mark.parametrize("host", [*OTHERS, b""])
@pytest.mark.parametrize("is_closed", [False, True], ids=["open", "closed"])
async def test_refuses_others(app: ChassisApp, host: bytes, is_closed: bool) -> None:
    await app.container.maintenance_state().apply_change(ServiceContext(maintenance=is_closed, version=1))

    answer = await ask(app, "GET", LIVE, [(b"host", host)])

    _assert_refused(answer)


@pytest.mark.parametrize("host", OTHERS)
async def test_refuses_a_websocket_with_another_host(app: ChassisApp, host: bytes) -> None:
    answer = await ask(app, "GET", LIVE, [(b"host", host)], type="websocket", scheme="ws")

    _assert_refused(answer)


@pytest.mark.parametrize(
    ("http_version", "hosts", "status"),
    [
        ("1.1", [], 400),
        ("1.1", [b""], 400),
        ("1.1", [b"a", b"a"], 400),
        ("1.1", [b"a", b"b"], 400),
        ("1.1", [b"", b"a"], 400),
        ("1.0", [], 200),
        ("1.0", [b""], 200),
        ("1.0", [b"a", b"b"], 400),
        ("1.0", [b"a b"], 400),
        ("2", [], 200),
        ("2", [b""], 400),
        ("2", [b"a", b"b"], 400),
    ],
)
async def test_requires_one_host_from_http_1_1(
    app: ChassisApp, http_version: str, hosts: list[bytes], status: int
) -> None:
    answer = await ask(app, "GET", LIVE, [(b"Host", host) for host in hosts], http_version=http_version)

    assert answer.status == status


@pytest.mark.parametrize("host", [b"\xc3\xbc" * 32768, b"\xfc." * 32768, b"a" * 65536, b"a." * 126 + b"!", b"[:" * 120])
def test_checks_a_host_in_less_than_a_millisecond(host: bytes) -> None:
    started = time.process_time()
    for _ in range(20):
        is_host(host)

    assert (time.process_time() - started) / 20 < 0.001


@pytest.mark.parametrize("hops", [0, 1])
async def test_refuses_a_host_behind_proxies_too(app: ChassisApp, config: ChassisConfig, hops: int) -> None:
    behind = create_app(config.model_copy(update={"PROXY_HOPS": hops}))
    behind.container.database.override(app.container.database())
    forwarded = [(b"x-forwarded-host", b"api.example.com"), (b"x-forwarded-port", b"443")]

    for hosts in ([b"\xfc" * 65536], [b""], [b"a", b"b"], [b"a b"]):
        headers = [*((b"host", host) for host in hosts), *forwarded]
        _assert_refused(await ask(behind, "GET", LIVE, headers))


@pytest.mark.parametrize(
    "value", [b"\xc3\xbc" * 32768, b"a" * 65536, b"a." * 32768, b"a..b", b"a:65536", b"[:::]", b""]
)
@pytest.mark.parametrize("name", [b"x-forwarded-host", b"x-forwarded-port"])
async def test_ignores_a_malformed_forwarded_host_cheaply(name: bytes, value: bytes) -> None:
    seen: list[bytes] = []

    async def application(scope, receive, send) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
        seen.extend(value for name, value in scope["headers"] if name == b"host")

    scope = scope_of("GET", "/", [(b"host", b"service"), (name, value)])
    started = time.process_time()
    await ProxyHeadersMiddleware(application, 1)(scope, None, None)  # type: ignore[arg-type]

    assert seen == [b"service"]
    assert time.process_time() - started < 0.01


def _assert_refused(answer: Answer) -> None:
    assert answer.status == 400
    assert answer.problem["detail"] == "The header Host must be there once, and be a host name or an IP address"
