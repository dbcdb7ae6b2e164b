from quart.typing import TestClientProtocol as Client

from src.create_app import Service


async def test_every_route_is_documented(app: Service, client: Client) -> None:
    documented = (await (await client.get("/openapi.json")).get_json())["paths"]

    undocumented = {
        rule.rule
        for rule in app.url_map.iter_rules()
        if not rule.endpoint.startswith(("openapi", "docs"))
        and rule.rule.replace("<int:", "{").replace(">", "}") not in documented
    }
    assert undocumented == set()
