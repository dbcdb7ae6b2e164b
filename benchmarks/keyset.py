"""Measures the first and the last page by keyset, in milliseconds until the repository returns it.

usage, in the folder of a project: PYTHONPATH=TEMPLATE python -m benchmarks.keyset ROUNDS [CURSOR]

Prints the cursor after the first page, and both times if there is a cursor, as JSON.
"""

import asyncio
import json
import os
import sys
import time
from importlib import import_module
from statistics import median
from typing import Any

URI = "SQLALCHEMY_DATABASE_URI"
SETTINGS = {"APP_ENV": "production", "LOG_LEVEL": "WARNING"}


async def milliseconds(repository: Any, cursor: str) -> float:  # noqa: ANN401 - of the project
    started = time.perf_counter()
    await repository.get_all({"cursor": cursor, "per_page": 10})
    return 1000 * (time.perf_counter() - started)


async def main(rounds: int, cursor: str = "") -> dict[str, object]:
    config = import_module("src.config").Config.load(_env_file=None, **SETTINGS, **{URI: os.environ[URI]})
    app = import_module("src.create_app").create_app(config)
    repository = app.container.todo_repository()
    first = await repository.get_all({"cursor": "", "per_page": 10})
    pairs = [(await milliseconds(repository, ""), await milliseconds(repository, cursor)) for _ in range(rounds)]
    await app.close_databases()
    first_page, last_page = map(median, zip(*pairs, strict=True))
    return {"cursor": first.next_cursor, "first page": first_page, "last page": last_page}


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    print(json.dumps(asyncio.run(main(int(sys.argv[1]), *sys.argv[2:]))))
