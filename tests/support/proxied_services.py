"""Services behind the nginx of docs/reverse-proxy.md, in each way that the page shows; a pytest plugin."""

import operator
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from support.applications import add_controller
from support.instances import serve_instances
from support.nginx import Nginx, RunNginx
from support.pages import blocks
from support.postgres import Postgres
from support.service import Commands, Service
from support.template import ROOT, Generate

PAGE, UNSTRIPPED, STRIPPED, ADDING = (
    block.text for block in blocks(ROOT / "docs" / "reverse-proxy.md") if block.language == "nginx"
)
LOCATION = "    location / {\n        proxy_pass http://service;\n    }\n"
COMMON = {"APP_ENV": "development", "LOG_FORMAT": "json"}
SMALL_LIMIT = 10  # bytes, MAX_CONTENT_LENGTH of one of the services
SITES = ("at the root", "unstripped", "stripped", "stripped and unstripped", "two proxies")


@dataclass(frozen=True)
class Site:
    """A service at the URL where clients find it behind a proxy."""

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
    """Services by their settings; each has its own database, so that a maintenance window affects only one."""
    project = generate()
    add_controller(project, "connection")
    settings = {
        "": {"MAX_CONTENT_LENGTH": str(SMALL_LIMIT)},
        "1": {"PROXY_HOPS": "1"},
        "1 /example": {"PROXY_HOPS": "1", "SERVICE_PREFIX": "/example"},
        "2": {"PROXY_HOPS": "2"},
    }
    common = [{"SQLALCHEMY_DATABASE_URI": postgres.create_database(), **COMMON} for _ in settings]
    with serve_instances(commands, project, *map(operator.or_, common, settings.values())) as running:
        yield dict(zip(settings, running, strict=True))


@pytest.fixture(name="sites", scope="module")
def _sites(services: Services, run_nginx: RunNginx) -> dict[str, Site]:
    def site(settings: str, configuration: str, prefix: str = "") -> Site:
        _, _, service_prefix = settings.partition(" ")
        service = services[settings]
        return Site(service, run_nginx(configuration, service.port), prefix, service_prefix)

    unstripped, stripped = (PAGE.replace(LOCATION, each) for each in (UNSTRIPPED, STRIPPED))
    inner = run_nginx(append_values(PAGE), services["2"].port)
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


def append_values(configuration: str) -> str:
    """The configuration of the second of two proxies: without TLS, and it appends to the headers of the first."""
    configuration = re.sub(r"^server {  #.*?^}\n", "", configuration, flags=re.DOTALL | re.MULTILINE)
    configuration = configuration.replace("listen 443 ssl;", "listen 443 ;")
    for line in ADDING.splitlines(keepends=True):
        header = line.split()[1]
        configuration, count = re.subn(rf"^    proxy_set_header {header} .*\n", line, configuration, flags=re.MULTILINE)
        if count != 1:
            raise ValueError(f"The page sets {header} {count} times")
    return configuration
