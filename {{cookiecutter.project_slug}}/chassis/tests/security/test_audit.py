"""`make audit` says plainly that it could not look: silence would be taken for "no vulnerabilities"."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from chassis.dev import audit

# A stand-in for pip-audit: writes the answer of the source, or fails like pip-audit without it.
PIP_AUDIT = """
import json, pathlib, sys
arguments = sys.argv[1:]
value = lambda name: arguments[arguments.index(name) + 1]
with open("calls", "a") as calls:
    print(json.dumps(arguments), file=calls)
answer = pathlib.Path(value("--vulnerability-service"))
if not answer.exists():
    sys.exit("Traceback (most recent call last):\\nConnectionError: no route to " + answer.name)
pathlib.Path(value("--output")).write_text(answer.read_text())
sys.exit("vulns" in answer.read_text())
"""
SAFE = {"dependencies": [{"name": "quart", "version": "0.22.0", "vulns": []}]}
VULNERABLE = {
    "dependencies": [
        {"name": "quart", "version": "0.1.0", "vulns": []},
        {
            "name": "jinja2",
            "version": "2.0",
            "vulns": [{"id": "PYSEC-1", "aliases": ["CVE-1"], "fix_versions": ["2.1", "3.0"]}],
        },
    ]
}


@pytest.fixture(name="sources", autouse=True)
def _sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for the answers of the sources, `pypi` and `osv`."""
    script = tmp_path / "pip_audit.py"
    script.write_text(PIP_AUDIT, encoding="utf-8")
    monkeypatch.setattr(audit, "PIP_AUDIT", (sys.executable, str(script)))
    monkeypatch.delenv("OSV_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def answer(sources: Path, name: str, content: dict[str, Any]) -> None:
    (sources / name).write_text(json.dumps(content), encoding="utf-8")


def calls(sources: Path) -> list[list[str]]:
    return [json.loads(line) for line in (sources / "calls").read_text(encoding="utf-8").splitlines()]


def test_asks_pypi_first(sources: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer(sources, "pypi", SAFE)

    assert audit.main(["-r", "requirements.txt"]) == 0

    assert capsys.readouterr().out == "Known vulnerabilities: none. Packages: 1. Source: PyPI.\n"
    (call,) = calls(sources)
    assert call[-2:] == ["-r", "requirements.txt"]
    assert {"--strict", "--require-hashes"} <= set(call)


def test_falls_back_on_osv(sources: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer(sources, "osv", VULNERABLE)

    assert audit.main([]) == 1

    assert capsys.readouterr().out.splitlines() == [
        "jinja2 2.0: PYSEC-1, CVE-1; fixed in 2.1, 3.0",
        "Known vulnerabilities: 1. Packages: 2. Source: OSV.",
    ]
    assert len(calls(sources)) == 2


def test_says_in_one_sentence_that_it_could_not_look(capsys: pytest.CaptureFixture[str]) -> None:
    assert audit.main([]) == 2

    captured = capsys.readouterr()
    assert (captured.out, captured.err.count("\n")) == ("", 1)
    assert captured.err.startswith("Known vulnerabilities could not be looked up, so there may be some: PyPI: ")
    assert "ConnectionError: no route to pypi; OSV: ConnectionError: no route to osv" in captured.err


def test_says_in_one_sentence_that_the_program_is_missing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "PIP_AUDIT", ("/nowhere/uv",))

    assert audit.main([]) == 2

    assert "/nowhere/uv: No such file or directory" in capsys.readouterr().err


def test_asks_a_mirror_of_osv(sources: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OSV_URL", "https://osv.example.com/v1/query")
    answer(sources, "osv", SAFE)

    assert audit.main([]) == 0

    assert calls(sources)[-1][calls(sources)[-1].index("--osv-url") + 1] == "https://osv.example.com/v1/query"
