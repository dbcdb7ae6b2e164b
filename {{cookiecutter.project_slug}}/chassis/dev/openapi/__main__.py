"""Keeps `openapi.json`, from which clients are generated, equal to the API.

usage: python -m chassis.dev.openapi write|check [--breaking]

A change that breaks clients is written only with `--breaking`: review and release it like one.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from chassis.config import ROOT
from chassis.dev.openapi.breaking_changes import find_breaking_changes

JSONObject = dict[str, Any]
FILE = ROOT / "openapi.json"
NO_DATABASE = "postgresql://127.0.0.1/none"  # a document needs none, but the application does not start without a URI
ACKNOWLEDGE = "If it is meant, acknowledge it with `make openapi BREAKING=1`, and commit openapi.json."
UPDATE = "openapi.json is not up to date: run `make openapi`, and commit it."


def main(command: str, *options: str) -> str | None:
    """Write or check the file; return what is wrong, or None."""
    new = read_api()
    old = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else None
    if old is not None and without_info(old) == without_info(new):
        return None
    breaking = find_breaking_changes(old, new) if old is not None else []
    if breaking and "--breaking" not in options:
        changes = "\n".join(f"  {change}" for change in breaking)
        return f"The API has changed in a way that breaks its clients:\n{changes}\n{ACKNOWLEDGE}"
    if command == "check":
        return UPDATE
    write(FILE, new)
    return None


def read_api() -> JSONObject:
    """Return the document that the service would serve, without the servers, which depend on the request."""
    environment = {"SQLALCHEMY_DATABASE_URI": NO_DATABASE, "QUART_APP": "src/app", **os.environ}
    command = [sys.executable, "-m", "quart", "schema"]
    process = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, check=False)
    if process.returncode:
        sys.exit(process.returncode)
    document: JSONObject = json.loads(process.stdout)
    return {name: part for name, part in document.items() if name != "servers"}


def without_info(document: JSONObject) -> JSONObject:
    """Return the document without the name of the service, which is a setting."""
    return {name: part for name, part in document.items() if name != "info"}


def write(file: Path, document: JSONObject) -> None:
    with file.open("w", encoding="utf-8", newline="\n") as output:
        output.write(json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
