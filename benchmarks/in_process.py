"""Measures parts of a service by calls in this process, in CPU microseconds; prints them as JSON.

usage, in the folder of a project: PYTHONPATH=TEMPLATE python -m benchmarks.in_process ROUNDS

The repository is measured if SQLALCHEMY_DATABASE_URI names a database with 31 todos.
"""

import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import asyncpg
import uvloop
from quart import Quart

from benchmarks.calls import Call, measure, request

URI = "SQLALCHEMY_DATABASE_URI"
NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"
SETTINGS = {"APP_ENV": "production", "LOG_FORMAT": "json", "LOG_LEVEL": "INFO", "SERVICE_PREFIX": ""}
COLUMNS = "id, title, description, completed, created_at, updated_at"
GET = f"SELECT {COLUMNS} FROM todo WHERE id = $1"
LIST = f"SELECT {COLUMNS}, (SELECT count(*) FROM todo) AS total FROM todo ORDER BY id LIMIT $1 OFFSET $2"


async def do_nothing(_scope: object, _receive: object, _send: object) -> None:
    """Take the place of the application behind a layer, so that the difference is the layer."""


async def answer(_scope: object, _receive: object, send: Any) -> None:  # noqa: ANN401
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def create_quart() -> Quart:
    app = Quart(__name__)

    @app.get("/health/live")
    async def live() -> dict[str, str]:
        return {"status": "ok"}

    return app


def create_open_gate(in_flight: object) -> Any:  # noqa: ANN401
    state = import_module("chassis.maintenance.state").MaintenanceState(do_nothing)  # which is open until it watches
    gate = import_module("chassis.maintenance.gate").MaintenanceGate
    return gate(do_nothing, state, in_flight, exempt=["/health/live", "/health/ready"], retry_after=60)


async def application_calls(app: Any, config: object) -> Mapping[str, Call]:  # noqa: ANN401
    """Return calls of the application, whose gate is closed, and of its layers; none of them needs a database."""
    context = import_module("chassis.maintenance.service_context").ServiceContext
    await app.container.maintenance_state().apply_change(context(maintenance=True, version=1))
    layer = import_module("chassis.http.request_log").RequestLogMiddleware
    log = import_module("chassis.app").access_log(config)
    return {
        "nothing": request(do_nothing, "/v1/todo"),
        "open gate": request(create_open_gate(app.container.in_flight()), "/v1/todo"),
        "answer": request(answer, "/v1/todo"),
        "answer with id": request(layer(answer, None), "/v1/todo"),
        "answer with id and line": request(layer(answer, log), "/v1/todo"),
        "live": request(app, "/health/live"),
        "live of Quart": request(create_quart(), "/health/live"),
        "refused": request(app, "/v1/todo", 503),
    }


@asynccontextmanager
async def repository_calls(app: Any, uri: str) -> AsyncIterator[Mapping[str, Call]]:  # noqa: ANN401
    """Give calls of the repository, and of the driver with the same SQL."""
    todo, repository = import_module("src.domain.todo").Todo, app.container.todo_repository()

    async def select_one() -> object:
        return todo(**await pool.fetchrow(GET, 1))

    async def select_page() -> object:
        rows = [dict(row) for row in await pool.fetch(LIST, 10, 0)]
        total = max(row.pop("total") for row in rows)
        return [todo(**row) for row in rows], total

    async with asyncpg.create_pool(uri.replace("+asyncpg", ""), min_size=1, max_size=10) as pool:
        yield {
            "get": lambda: repository.get(1),
            "SQL of get": select_one,
            "get_all": lambda: repository.get_all({"page": 1, "per_page": 10}),
            "SQL of get_all": select_page,
        }
    await app.close_databases()


async def main(rounds: int) -> dict[str, float]:
    uri = os.environ.get(URI, "")
    config = import_module("src.config").Config.load(_env_file=None, **SETTINGS, **{URI: uri or NOWHERE})
    app = import_module("src.create_app").create_app(config)
    microseconds = await measure(await application_calls(app, config), rounds)
    if uri:
        async with repository_calls(app, uri) as calls:
            microseconds |= await measure(calls, rounds)
    return microseconds


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    with Path("/dev/null").open("w", buffering=1, encoding="utf-8") as sys.stderr:
        print(json.dumps(uvloop.run(main(int(sys.argv[1])))))
