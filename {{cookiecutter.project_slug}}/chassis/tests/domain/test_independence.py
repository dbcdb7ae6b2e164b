"""The contract in pyproject.toml lists packages that a domain must not import; this test refuses all others, too."""

import ast
import sys
from pathlib import Path

import pytest

from chassis.config import ROOT

DOMAINS = ("src.domain", "chassis.domain")
MODULES = [path for domain in DOMAINS for path in sorted(ROOT.joinpath(*domain.split(".")).rglob("*.py"))]


def _imported_modules(path: Path) -> set[str]:
    imported = set[str]()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module or "")
    return imported


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_only_the_standard_library_and_domains(path: Path) -> None:
    foreign = {name for name in _imported_modules(path) if name.split(".")[0] not in sys.stdlib_module_names}

    assert all(name.startswith(DOMAINS) for name in foreign), foreign


def test_finds_the_modules_of_both_domains() -> None:
    packages = {str(path.relative_to(ROOT).parent.parent) for path in MODULES}

    assert packages == {"src", "chassis"}
