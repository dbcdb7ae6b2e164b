from typing import Any

from quart.typing import TestClientProtocol as Client


async def create_todo(client: Client, **values: Any) -> dict[str, Any]:
    """Return a new todo with these values, and others for what is required."""
    response = await client.post("/v1/todo", json={"title": "a", **values})
    assert response.status_code == 201, await response.get_data()
    return dict(await response.get_json())
