"""Carries out the steps of a command in a copy of the project, whose code it imports.

usage: python -m chassis.dev.generate.worker STEPS

STEPS is a JSON list. The last line of the output is a JSON object, whose `error` is a sentence or null,
and whose `notes` are sentences.
"""

import asyncio
import json
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection

from chassis.cli.command import describe
from chassis.config import ROOT
from chassis.dev.generate import steps as step_functions
from chassis.dev.generate.migration import Migrations
from chassis.dev.generate.service import Service
from chassis.dev.generate.staging import WITH_DATABASE
from chassis.persistence.engine import create_migration_engine
from chassis.persistence.url import parse_url

Steps = Sequence[dict[str, Any]]


def run_steps(steps: Steps, connection: Connection | None) -> list[str]:
    """Return what the person who typed the command should know."""
    service = Service(ROOT)
    migrations = Migrations(connection) if connection is not None else None
    if migrations:
        migrations.upgrade()
    for step in steps:
        arguments = dict(step)
        function: Callable[..., None] = getattr(step_functions, arguments.pop("step"))
        function(service, migrations, **arguments)
    return service.notes


async def run_with_database(steps: Steps, uri: str) -> list[str]:
    async with create_migration_engine(parse_url(uri)).connect() as connection:
        return await connection.run_sync(lambda sync: run_steps(steps, sync))


def main(arguments: Sequence[str]) -> None:
    steps: Steps = json.loads(arguments[0])
    error, notes = None, []
    try:
        if os.environ.get(WITH_DATABASE):
            notes = asyncio.run(run_with_database(steps, os.environ["SQLALCHEMY_DATABASE_URI"]))
        else:
            notes = run_steps(steps, None)
    except Exception as failure:  # noqa: BLE001 - whatever it is, the command says it in one line
        error = " ".join(describe(failure).split())
    print(json.dumps({"error": error, "notes": notes}))


if __name__ == "__main__":
    main(sys.argv[1:])
