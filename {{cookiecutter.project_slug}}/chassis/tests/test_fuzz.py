"""Schemathesis generates requests to all routes of the service; every answer must be documented.

By default it generates a few requests, always the same ones. FUZZ_EXAMPLES sets their number for each operation
(`make fuzz`).
"""

from pathlib import Path

from sqlalchemy import URL

from chassis.persistence.database import Database
from chassis.tests.fuzzing import run_schemathesis, serve

MAINTENANCE_PATH = "/v1/service-context"


def test_documents_every_answer(database: Database, database_url: URL, tmp_path: Path) -> None:
    """The maintenance window comes last, because every other path answers 503 while it is active."""
    del database  # it is empty
    with serve("asgi:app", database_url) as url:
        for selection in ("--exclude-path", "--include-path"):
            run_schemathesis(url, tmp_path, selection, MAINTENANCE_PATH)
