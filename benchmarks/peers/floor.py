"""The least that an answer can cost: ASGI without a framework, asyncpg without SQLAlchemy."""

import json
import os
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs

import asyncpg

COLUMNS = "id, title, description, completed, created_at, updated_at"
GET = f"SELECT {COLUMNS} FROM todo WHERE id = $1"
LIST = f"SELECT {COLUMNS}, (SELECT count(*) FROM todo) AS total FROM todo ORDER BY id LIMIT $1 OFFSET $2"
CREATE = f"INSERT INTO todo (title) VALUES ($1) RETURNING {COLUMNS}"
UPDATE = f"UPDATE todo SET completed = $2, updated_at = now() WHERE id = $1 RETURNING {COLUMNS}"

Send = Callable[[dict[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[dict[str, Any]]]


class Floor:
    """Answers like the service, without checking anything."""

    pool: asyncpg.Pool

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        status, value = await self._answer(scope, receive)
        body = json.dumps(value, default=datetime.isoformat, separators=(",", ":")).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        uri = os.environ["SQLALCHEMY_DATABASE_URI"].replace("+asyncpg", "")
        async with asyncpg.create_pool(uri, min_size=1, max_size=10) as self.pool:
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})

    async def _answer(self, scope: dict[str, Any], receive: Receive) -> tuple[int, Any]:
        if scope["path"] == "/health/live":
            return 200, {"status": "ok"}
        key = scope["path"].removeprefix("/v1/todo").strip("/")
        if scope["method"] == "GET":
            return 200, dict(await self.pool.fetchrow(GET, int(key))) if key else await self._list(scope)
        data = json.loads((await receive())["body"])
        if scope["method"] == "POST":
            return 201, dict(await self.pool.fetchrow(CREATE, data["title"]))
        return 200, dict(await self.pool.fetchrow(UPDATE, int(key), data["completed"]))

    async def _list(self, scope: dict[str, Any]) -> dict[str, Any]:
        query = parse_qs(scope["query_string"].decode())
        page, per_page = (int(query[name][0]) for name in ("page", "per_page"))
        rows = [dict(row) for row in await self.pool.fetch(LIST, per_page, (page - 1) * per_page)]
        total = max(row.pop("total") for row in rows)
        return {"items": rows, "total": total, "page": page, "per_page": per_page}


app = Floor()
