"""The switch that adds SQLite to the tests: `TEST_SQLITE=1`, for services that are meant to run on it."""

import os
from importlib.util import find_spec

import pytest

SQLITE_IS_TESTED = os.environ.get("TEST_SQLITE", "") not in ("", "0")
DATABASE_KINDS = ["postgresql", "sqlite"] if SQLITE_IS_TESTED else ["postgresql"]

requires_sqlite = pytest.mark.skipif(not SQLITE_IS_TESTED, reason="Only TEST_SQLITE=1 tests SQLite.")

if SQLITE_IS_TESTED and find_spec("aiosqlite") is None:
    msg = "TEST_SQLITE=1 needs the package aiosqlite, which is not installed."
    raise pytest.UsageError(msg)
