from quart.typing import TestClientProtocol as Client

from chassis.http.path_parameters import document_path
from src.create_app import App


async def test_documents_every_route(app: App, client: Client) -> None:
    document = await (await client.get("/openapi.json")).get_json()
    routes = [rule for rule in app.url_map.iter_rules() if not rule.endpoint.startswith(("openapi", "docs"))]

    assert {document_path(rule) for rule in routes if not rule.websocket} == set(document["paths"])
