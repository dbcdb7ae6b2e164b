"""Known vulnerabilities of pinned packages, according to PyPI, or to the OSV database if PyPI cannot be asked.

usage: python -m chassis.dev.audit OPTIONS

OPTIONS are those of pip-audit, for instance -r requirements.txt --ignore-vuln ID. The environment variable OSV_URL may
name a mirror of https://api.osv.dev/v1/query. Exits with 0 if there are none, 1 if there are some, and 2 if no source
could be asked.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

UV = str(Path(sys.executable).with_name("uv"))
PIP_AUDIT = (UV, "tool", "run", "--quiet", "pip-audit==2.10.1")
OPTIONS = ("--strict", "--disable-pip", "--require-hashes", "--progress-spinner", "off", "--format", "json")
SOURCES = {"pypi": "PyPI", "osv": "OSV"}

Dependency = dict[str, Any]  # an element of `dependencies` in the JSON of pip-audit


def main(arguments: Sequence[str]) -> int:
    failures = []
    for source, name in SOURCES.items():
        dependencies, reason = ask(source, arguments)
        if dependencies is not None:
            return report(name, dependencies)
        failures.append(f"{name}: {reason}")
    reasons = "; ".join(failures)
    print(f"Known vulnerabilities could not be looked up, so there may be some: {reasons}", file=sys.stderr)
    return 2


def ask(source: str, arguments: Sequence[str]) -> tuple[list[Dependency] | None, str]:
    """Return the packages and their vulnerabilities, or None and the reason why the source could not be asked."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, "audit.json")  # pip-audit writes it if it could look, whatever it has found
        mirror = os.environ.get("OSV_URL")
        address = ("--osv-url", mirror) if mirror else ()
        command = [
            *PIP_AUDIT,
            *OPTIONS,
            "--vulnerability-service",
            source,
            *address,
            "--output",
            str(output),
            *arguments,
        ]
        try:
            result = subprocess.run(command, check=False, capture_output=True, text=True)
        except OSError as error:
            return None, f"{error.filename}: {error.strerror}"
        if output.exists():
            return json.loads(output.read_text(encoding="utf-8"))["dependencies"], ""
    lines = result.stderr.strip().splitlines() or [f"pip-audit ended with {result.returncode}"]
    return None, lines[-1]


def report(source: str, dependencies: Sequence[Dependency]) -> int:
    vulnerable = [(each, vulnerability) for each in dependencies for vulnerability in each.get("vulns", [])]
    for dependency, vulnerability in vulnerable:
        fixed = ", ".join(vulnerability["fix_versions"]) or "no version yet"
        names = ", ".join([vulnerability["id"], *vulnerability.get("aliases", [])])
        print(f"{dependency['name']} {dependency['version']}: {names}; fixed in {fixed}")
    count = len(vulnerable) or "none"
    print(f"Known vulnerabilities: {count}. Packages: {len(dependencies)}. Source: {source}.")
    return 1 if vulnerable else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
