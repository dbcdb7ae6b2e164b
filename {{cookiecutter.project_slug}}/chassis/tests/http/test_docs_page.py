import mimetypes
import re

import pytest
from quart.typing import TestClientProtocol as Client

from chassis.app import ChassisApp
from chassis.config import ChassisConfig
from chassis.tests.sample.create_app import create_app

ROUTES = {"/openapi.json", "/docs", "/docs/start.js", "/docs/assets/<path:name>"}
LINK = re.compile(r'(?:href|src|data-url)="([^"]*)"')


@pytest.mark.parametrize("prefix", ["", "/example"])
@pytest.mark.parametrize("path", ["/docs", "/docs/"])
async def test_serves_every_link_of_the_page_below_the_prefix_of_the_request(
    client: Client, prefix: str, path: str
) -> None:
    scope = {"root_path": prefix}
    response = await client.get(f"{prefix}{path}", scope_base=scope)
    links = LINK.findall(await response.get_data(as_text=True))

    types = {link: (await client.get(link, scope_base=scope)).content_type for link in links}

    assert (response.status_code, response.content_type) == (200, "text/html; charset=utf-8")
    assert types == {
        f"{prefix}/docs/assets/favicon-32x32.png": "image/png",
        f"{prefix}/docs/assets/swagger-ui.css": "text/css; charset=utf-8",
        f"{prefix}/docs/assets/swagger-ui-bundle.js": "text/javascript; charset=utf-8",
        f"{prefix}/docs/start.js": "text/javascript; charset=utf-8",
        f"{prefix}/openapi.json": "application/json",
    }


async def test_forbids_other_hosts_and_inline_scripts(client: Client) -> None:
    response = await client.get("/docs")

    policy = "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    assert response.headers["Content-Security-Policy"] == policy
    assert not re.search(r"<script[^>]*>[^<]", await response.get_data(as_text=True))


async def test_shows_the_escaped_name_of_the_service_as_the_title(app: ChassisApp, config: ChassisConfig) -> None:
    other = create_app(config.model_copy(update={"SERVICE_NAME": "<b>{Q&A}</b>"}))

    page = await (await other.test_client().get("/docs")).get_data(as_text=True)

    assert "<title>&lt;b&gt;{Q&amp;A}&lt;/b&gt;</title>" in page


async def test_serves_scripts_as_javascript_on_any_machine(app: ChassisApp, config: ChassisConfig) -> None:
    mimetypes.add_type("text/plain", ".js")
    other = create_app(config)

    response = await other.test_client().get("/docs/assets/swagger-ui-bundle.js")

    assert response.mimetype == "text/javascript"


async def test_lets_browsers_cache_and_revalidate_assets(client: Client) -> None:
    first = await client.get("/docs/assets/swagger-ui.css")
    second = await client.get("/docs/assets/swagger-ui.css", headers={"If-None-Match": first.headers["ETag"]})

    assert (first.cache_control.public, first.cache_control.max_age) == (True, 3600)
    assert second.status_code == 304


@pytest.mark.parametrize(
    "name", ["", "nothing.js", "../__init__.py", "%2e%2e/__init__.py", "..%2F__init__.py", "/etc/hosts"]
)
async def test_returns_404_for_a_path_that_is_not_an_asset(client: Client, name: str) -> None:
    path = f"/docs/assets/{name}"

    assert (await client.get(path)).status_code == 404
    assert (
        await client.get(path, scope_base={"path": path.replace("%2e", ".").replace("%2F", "/")})
    ).status_code == 404


@pytest.mark.parametrize("path", ["/openapi.json", "/docs", "/docs/start.js", "/docs/assets/swagger-ui.css"])
async def test_is_not_served_in_production(app: ChassisApp, config: ChassisConfig, path: str) -> None:
    production = create_app(config.model_copy(update={"APP_ENV": "production"}))

    response = await production.test_client().get(path)

    assert (response.status_code, response.mimetype) == (404, "application/problem+json")
    assert not ROUTES & {rule.rule for rule in production.url_map.iter_rules()}


def test_is_served_in_production_if_a_setting_asks_for_it(app: ChassisApp, config: ChassisConfig) -> None:
    production = create_app(config.model_copy(update={"APP_ENV": "production", "API_DOCS": True}))

    assert {rule.rule for rule in production.url_map.iter_rules()} >= ROUTES
