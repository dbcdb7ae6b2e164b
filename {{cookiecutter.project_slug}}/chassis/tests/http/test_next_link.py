"""The link of a page by cursor leads to the next page, wherever a proxy serves the API."""

from urllib.parse import parse_qsl, urljoin, urlsplit

import pytest
from pydantic import BaseModel
from quart import Quart, Response
from werkzeug.datastructures import MultiDict
from werkzeug.http import parse_options_header

from chassis.domain.pagination import Page
from chassis.http.next_link import next_link
from chassis.http.responses import create_response


class ItemSchema(BaseModel):
    name: str = "a"


@pytest.fixture(name="app")
def _app() -> Quart:
    app = Quart(__name__)

    @app.get("/items")
    async def list_items() -> Response:
        items = [ItemSchema()] * 12
        page = Page(items=items, total=None, page=1, per_page=12, by_cursor=True, next_cursor="a+b/c=")
        return create_response(page, ItemSchema, headers={"ETag": '"1"'})

    return app


@pytest.mark.parametrize(
    "base", ["https://example.org/items", "https://example.org/api/shop/items", "https://example.org/items?cursor=old"]
)
async def test_links_to_the_next_page_below_any_prefix(app: Quart, base: str) -> None:
    response = await app.test_client().get("/items?cursor=old&page=3&per_page=12&name=%C3%A4%26b&tag=1&tag=2")

    reference, options = parse_options_header(response.headers["Link"])
    url = urljoin(base, reference.strip("<>"))
    assert options == {"rel": "next"}
    assert url.partition("?")[0] == base.partition("?")[0]
    paging = [("cursor", "a+b/c="), ("per_page", "12")]
    assert parse_qsl(urlsplit(url).query) == [*paging, ("name", "ä&b"), ("tag", "1"), ("tag", "2")]


async def test_writes_every_piece_of_a_long_page_by_cursor(app: Quart) -> None:
    response = await app.test_client().get("/items")

    body = await response.get_json()
    assert list(body) == ["items", "per_page", "next_cursor"]
    assert (len(body["items"]), body["next_cursor"], response.headers["ETag"]) == (12, "a+b/c=", '"1"')


def test_cannot_be_broken_by_a_parameter() -> None:
    link = next_link(MultiDict([("a>", '"; rel="self"\r\nX: y'), ("b", "\ud800")]), "c", 10)

    assert link == '<?cursor=c&per_page=10&a%3E=%22%3B+rel%3D%22self%22%0D%0AX%3A+y&b=%3F>; rel="next"'
