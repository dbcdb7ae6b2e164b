from quart.typing import TestClientProtocol as Client

from src.create_app import Service


async def test_every_route_is_documented(app: Service, client: Client) -> None:
    documented = (await (await client.get("/openapi.json")).get_json())["paths"]

    undocumented = {
        rule.rule
        for rule in app.url_map.iter_rules()
        if rule.endpoint not in ("openapi", "swagger_ui")
        and rule.rule.replace("<int:", "{").replace(">", "}") not in documented
    }
    assert undocumented == set()


async def test_has_a_page(client: Client) -> None:
    response = await client.get("/docs")

    assert (response.status_code, response.mimetype) == (200, "text/html")
