"""Measures the cost of a request's log line, in the form of production; the line goes to /dev/null.

usage: PYTHON benchmarks/access_log.py [PROJECT]

PYTHON belongs to a generated project, for instance .venv/bin/python; PROJECT is its folder, by default the template.
"""

import asyncio
import statistics
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from asgi_calls import CALLS, ROUNDS, time_alternately, request

TEMPLATE = Path(__file__).resolve().parent.parent / "{{cookiecutter.project_slug}}"
SETTINGS = {"SQLALCHEMY_DATABASE_URI": "postgresql://nobody@127.0.0.1:1/nothing", "LOG_FORMAT": "json"}


async def answer(_scope: object, _receive: object, send: Any) -> None:  # noqa: ANN401
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def main() -> None:
    config = import_module("src.config").Config.load(_env_file=None, **SETTINGS)
    middleware = import_module("chassis.http.request_log").RequestLogMiddleware
    log = import_module("chassis.app").access_log(config)
    silent, _ = request(middleware(answer, None), "/v1/todo")
    logged, _ = request(middleware(answer, log), "/v1/todo")
    bare, _ = request(answer, "/v1/todo")
    before, after = await time_alternately(silent, logged, CALLS // 10)
    without, with_id = await time_alternately(bare, silent, CALLS // 10)
    added = statistics.median(b - a for a, b in zip(before, after, strict=True))
    id_added = statistics.median(b - a for a, b in zip(without, with_id, strict=True))
    print(f"the line adds {added * 1e6:.1f} µs, the id {id_added * 1e6:.1f} µs (medians of {ROUNDS} rounds)")  # noqa: T201


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    sys.path.insert(0, sys.argv[1] if len(sys.argv) > 1 else str(TEMPLATE))
    with Path("/dev/null").open("w", buffering=1, encoding="utf-8") as sys.stderr:
        asyncio.run(main())
