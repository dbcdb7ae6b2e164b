"""Schemathesis generates requests to all routes of the service; every answer must be documented.

By default it generates a few requests, always the same ones. FUZZ_EXAMPLES sets their number for each operation
(`make fuzz`). A service says how to authenticate in schemathesis.toml, and its settings in tests/fuzz.env.
"""

from pathlib import Path

from sqlalchemy import URL

from chassis.persistence.database import Database
from chassis.tests.fuzzing import CHASSIS_REQUESTS, run_schemathesis, serve

MAINTENANCE_PATH = "/v1/service-context"


def test_documents_every_answer(database: Database, database_url: URL, tmp_path: Path) -> None:
    """The maintenance window comes last, because every other path answers 503 while it is active."""
    del database  # it is empty
    with serve("asgi:app", database_url) as url:
        run_schemathesis(url, tmp_path, "--exclude-path", MAINTENANCE_PATH)
        run_schemathesis(url, tmp_path, "--include-path", MAINTENANCE_PATH, requests=CHASSIS_REQUESTS)
