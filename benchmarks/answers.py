"""A comparison is only fair between servers that answer the same."""

import json
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from benchmarks.servers import RunningServer, get

TITLE = {"title": "Buy milk"}
READS = ("/health/live", "/v1/todo/3", "/v1/todo?page=2&per_page=10")


def require_equal_answers(servers: Sequence[RunningServer], restore: Callable[[], None]) -> None:
    """Exit if a server does not answer like the first one; `restore` removes the todo that each creates."""
    expected: list[tuple[int, Any]] = []
    for server in servers:
        received = answers(server.port)
        expected = expected or received
        if received != expected:
            sys.exit(f"{server.server.name} answers {received}\nand {servers[0].server.name} {expected}")
        restore()


def answers(port: int) -> list[tuple[int, Any]]:
    """Return statuses and bodies, without keys and timestamps that differ each time."""
    read = [get(port, path) for path in READS]
    created = get(port, "/v1/todo", "POST", json.dumps(TITLE))
    key = json.loads(created[1])["id"]
    updated = get(port, f"/v1/todo/{key}", "PATCH", json.dumps({"completed": True}))
    return [
        *((status, normalize(json.loads(body))) for status, body in read),
        *((status, without_key(json.loads(body))) for status, body in (created, updated)),
    ]


def normalize(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Let the same time be equal, however its offset is written."""
    if isinstance(value, dict):
        return {
            name: datetime.fromisoformat(item) if name.endswith("_at") and item else normalize(item)
            for name, item in value.items()
        }
    return [normalize(item) for item in value] if isinstance(value, list) else value


def without_key(todo: dict[str, Any]) -> dict[str, Any]:
    """Return which timestamps are set instead of their values."""
    return {name: item is not None if name.endswith("_at") else item for name, item in todo.items() if name != "id"}
