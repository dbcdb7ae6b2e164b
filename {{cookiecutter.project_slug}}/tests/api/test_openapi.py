from quart.typing import TestClientProtocol as Client

from src.create_app import App


async def test_documents_every_route(app: App, client: Client) -> None:
    document = await (await client.get("/openapi.json")).get_json()
    routes = {rule.rule for rule in app.url_map.iter_rules() if not rule.endpoint.startswith(("openapi", "docs"))}

    assert {route.replace("<int:", "{").replace(">", "}") for route in routes} == set(document["paths"])
