"""Services behind the nginx of docs/reverse-proxy.md, in each of the ways that the page shows.

A pytest plugin: a test module asks for its fixtures by `pytest_plugins = ["service", "nginx", "proxied"]`.
PYTEST_DONT_REWRITE, for it is imported before it is a plugin, and asserts nothing.
"""

import operator
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from conftest import ROOT, Generate
from nginx import Nginx, RunNginx
from pages import blocks
from service import Commands, Postgres, Service
from workers import serving

PAGE, UNSTRIPPED, STRIPPED, ADDING = (
    block.text for block in blocks(ROOT / "docs" / "reverse-proxy.md") if block.language == "nginx"
)
LOCATION = "    location / {\n        proxy_pass http://service;\n    }\n"
COMMON = {"APP_ENV": "development", "LOG_FORMAT": "json"}
SMALL_LIMIT = 10  # bytes
SITES = ("at the root", "unstripped", "stripped", "stripped and unstripped", "two proxies")

# A controller that tells what it sees.
CONTROLLER = """
import asyncio

from quart import Blueprint, Response, redirect, request, url_for, websocket

blueprint = Blueprint("way", __name__, url_prefix="/way")
counts = {"slow": 0, "large": 0}
released = asyncio.Event()


def seen(connection):
    return {
        "client": connection.remote_addr,
        "port": connection.scope["client"][1],
        "url": connection.url,
        "path": url_for("way.http"),
        "made": url_for("way.http", _external=True),
    }


@blueprint.get("")
async def http():
    return seen(request)


@blueprint.get("/moved")
async def moved():
    return redirect(url_for("way.http"))


@blueprint.websocket("/socket")
async def socket():
    await websocket.send_json(seen(websocket))
    while True:
        await websocket.send(await websocket.receive())


@blueprint.get("/events")
async def events():
    async def stream():
        released.clear()
        yield b"data: first\\n\\n"
        await released.wait()
        yield b"data: second\\n\\n"

    return Response(stream(), headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"})


@blueprint.post("/release")
async def release():
    released.set()
    return {}


@blueprint.get("/large")
async def large():
    async def stream():
        for _ in range(512):
            yield bytes(65536)
        counts["large"] += 1

    return Response(stream(), content_type="application/octet-stream")


@blueprint.route("/slow", methods=["GET", "POST"])
async def slow():
    counts["slow"] += 1
    await asyncio.sleep(30)
    return {}


@blueprint.get("/counts")
async def count():
    return counts
"""


@dataclass(frozen=True)
class Site:
    """A service as clients find it."""

    service: Service
    nginx: Nginx
    prefix: str = ""
    service_prefix: str = ""

    @property
    def url(self) -> str:
        return f"{self.nginx.url}{self.prefix}"


Services = dict[str, Service]


@pytest.fixture(name="services", scope="module")
def _services(generate: Generate, commands: Commands, postgres: Postgres) -> Iterator[Services]:
    """By what is set; each with a database of its own, so that a window closes one of them."""
    project = generate()
    controller = project / "src" / "api" / "controllers" / "way.py"
    controller.write_text(CONTROLLER, encoding="utf-8")
    settings = {
        "": {"MAX_CONTENT_LENGTH": str(SMALL_LIMIT)},
        "1": {"PROXY_HOPS": "1"},
        "1 /example": {"PROXY_HOPS": "1", "SERVICE_PREFIX": "/example"},
        "2": {"PROXY_HOPS": "2"},
    }
    each_has = [{"SQLALCHEMY_DATABASE_URI": postgres.create(), **COMMON} for _ in settings]
    with serving(commands, project, *map(operator.or_, each_has, settings.values())) as running:
        yield dict(zip(settings, running, strict=True))


@pytest.fixture(name="sites", scope="module")
def _sites(services: Services, run_nginx: RunNginx) -> dict[str, Site]:
    def site(settings: str, configuration: str, prefix: str = "") -> Site:
        _, _, service_prefix = settings.partition(" ")
        service = services[settings]
        return Site(service, run_nginx(configuration, service.port), prefix, service_prefix)

    unstripped, stripped = (PAGE.replace(LOCATION, each) for each in (UNSTRIPPED, STRIPPED))
    inner = run_nginx(adding(PAGE), services["2"].port)
    sites = [
        site("1", PAGE),
        site("1 /example", unstripped, "/example"),
        site("1", stripped, "/example"),
        site("1 /example", stripped.replace("/example", "/outer"), "/outer/example"),
        Site(services["2"], run_nginx(stripped, inner.port), "/example"),
    ]
    return dict(zip(SITES, sites, strict=True))


@pytest.fixture(name="site", params=SITES)
def _site(request: pytest.FixtureRequest, sites: dict[str, Site]) -> Site:
    return sites[request.param]


def adding(configuration: str) -> str:
    """That of the second proxy: without TLS, and with values that are added."""
    configuration = re.sub(r"^server {  #.*?^}\n", "", configuration, flags=re.DOTALL | re.MULTILINE)
    configuration = configuration.replace("listen 443 ssl;", "listen 443 ;")
    for line in ADDING.splitlines(keepends=True):
        header = line.split()[1]
        configuration, count = re.subn(rf"^    proxy_set_header {header} .*\n", line, configuration, flags=re.MULTILINE)
        if count != 1:
            raise ValueError(f"The page sets {header} {count} times")
    return configuration
