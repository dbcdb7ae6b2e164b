"""The page /docs in a browser that can only reach the service, with and without a prefix."""

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from support.browser import Page
from support.postgres import Postgres
from support.report import note
from support.service import START_TIMEOUT, Commands
from support.template import ROOT

CREATE = "#operations-todo-create_todo"
LIST = "#operations-todo-list_todos"


@pytest.fixture(name="prefix", params=["", "/example"], ids=["without prefix", "with prefix"])
def _prefix(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(name="site")
def _site(prefix: str, project: Path, commands: Commands, postgres: Postgres) -> Iterator[str]:
    """The URL of a service in production whose documentation is switched on."""
    settings = {"SQLALCHEMY_DATABASE_URI": postgres.create_database(), "SERVICE_PREFIX": prefix}
    production = {"APP_ENV": "production", "API_DOCS": "true"}
    with commands.serve(project, answers=f"{prefix}/health/live", **settings, **production) as service:
        yield f"{service.url}{prefix}"


def try_out(page: Page, operation: str, body: str = "") -> tuple[str, str]:
    """Try an operation; return the URL that was called, and the status of its answer."""
    page.click(f"{operation} .opblock-summary-control")
    page.click(f"{operation} .try-out__btn")
    if body:
        page.type(f"{operation} .body-param__text", body)
    page.click(f"{operation} .execute")
    status = page.text(f"{operation} .live-responses-table .response .response-col_status")
    return page.text(f"{operation} .request-url pre"), status


def test_tries_out_the_api_and_sends_requests_only_to_the_service(site: str, prefix: str, page: Page) -> None:
    started = time.monotonic()
    page.open(f"{site}/docs")
    created = try_out(page, CREATE, '{"title": "Written by hand"}')
    listed = try_out(page, LIST)
    picture = page.take_picture(ROOT / "build" / f"docs-page{prefix.replace('/', '-')}.png")

    todos = httpx.get(f"{site}/v1/todo", trust_env=False, timeout=START_TIMEOUT).json()["items"]
    note(f"/docs: {len(page.requests)} requests, {time.monotonic() - started:.1f} s, {picture.relative_to(ROOT)}")
    assert created == (f"{site}/v1/todo", "201")
    assert listed == (f"{site}/v1/todo?page=1&per_page=10", "200")
    assert [todo["title"] for todo in todos] == ["Written by hand"]
    assert page.requests[0] == f"{site}/docs"
    assert [url for url in page.requests if not url.startswith(f"{site}/")] == []
    assert page.complaints == []
